"""RAVDESS and TESS through `tune/extract_features.py`, with sound in the formats they are known for."""

import sys
from pathlib import Path

import pytest

from ser.corpora.base import CORPORA
from tests.support.command_runner import EXTRACT, run
from tests.support.published_corpora import NAMES, write_sound
from tests.support.stored_features import check_stored

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("corpus", ["ravdess", "tess"])
def test_clips_of_other_rates_channels_and_containers_are_extracted(tmp_path: Path, corpus: str) -> None:
    place = tmp_path / "speech-emotion-recognition-en"
    names = list(NAMES[corpus]())
    for number, name in enumerate(names[:: len(names) // 24 + 1]):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        write_sound(place / name, corpus, odd=number % 8 == 0, seed=number)
    words = ["--corpus", corpus, "--corpus-dir", place, "--store", tmp_path / "store"]
    ended = run(sys.executable, EXTRACT, *words, folder=tmp_path)
    assert ended.code == 0, ended.seen
    scan = CORPORA[corpus]().scan(place)
    assert f": {len(scan.clips)} computed, 0 were there" in ended.stdout, ended.seen
    for reason, excluded in scan.excluded.items():
        assert f"{len(excluded)} files are omitted: {reason}:" in ended.stdout
    assert scan.excluded
    check_stored((Path(clip.location) for clip in scan.clips), tmp_path / "store")
