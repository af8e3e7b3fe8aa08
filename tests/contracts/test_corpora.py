import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest

from ser.audio import decode
from ser.corpora.base import CORPORA, CorpusError, Scan
from ser.corpora.locations import get_name, read_bytes
from tests.support.published_corpora import NAMES, make_published

# Where each corpus can be had in the tests; a new corpus adds its line.
FOLDERS = {
    "cremad": ("shared_dir", "cremad"),
    "synthetic": ("synthetic_dir", "."),
    "ravdess": ("published_dir", "."),
    "savee": ("published_dir", "."),
    "tess": ("published_dir", "."),
}


@pytest.fixture(scope="session")
def published_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    for corpus in NAMES:
        make_published(folder, corpus)
    return folder


@pytest.fixture(params=list(CORPORA))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(name: str, request: pytest.FixtureRequest) -> Path:
    fixture, below = FOLDERS[name]
    parent: Path = request.getfixturevalue(fixture)
    return parent / below


@pytest.fixture
def scan(name: str, folder: Path) -> Scan:
    return CORPORA[name]().scan(folder)


def test_five_corpora_are_found() -> None:
    assert list(CORPORA) == ["cremad", "ravdess", "savee", "synthetic", "tess"]


def test_clips_are_in_order_of_name_and_none_is_twice(scan: Scan) -> None:
    names = [clip.name for clip in scan.clips]
    assert names == sorted(set(names))


def test_labels_are_the_declared_emotions(name: str, scan: Scan) -> None:
    emotions = CORPORA[name].emotions
    assert len(set(emotions)) == len(emotions)
    assert list(emotions) == sorted(emotions)
    assert {clip.emotion for clip in scan.clips} == set(emotions)


def test_there_is_no_more_than_was_published(name: str, scan: Scan) -> None:
    assert 0 < len(scan.clips) <= CORPORA[name].n_published_clips
    assert len({clip.speaker for clip in scan.clips}) <= CORPORA[name].n_published_speakers


def test_paths_are_sound_files_below_the_folder(scan: Scan, folder: Path) -> None:
    for clip in (scan.clips[0], scan.clips[-1]):
        assert folder.resolve() in Path(clip.location).parents
        assert len(decode(read_bytes(clip.location))) > 8_000


def test_scanning_twice_gives_the_same(name: str, folder: Path, scan: Scan) -> None:
    assert CORPORA[name]().scan(folder) == scan


def test_a_corpus_lies_as_well_behind_a_url(name: str, scan: Scan) -> None:
    storage = fsspec.filesystem("memory")
    some = {clip.name: read_bytes(clip.location) for clip in scan.clips[:20]}
    for clip in scan.clips[:20]:
        storage.pipe_file(f"/{name}/{get_name(clip.location)}", some[clip.name])
    found = CORPORA[name]().scan(f"memory://{name}").clips
    assert {clip.name: read_bytes(clip.location) for clip in found} == some
    assert [replace(clip, location="") for clip in found] == [replace(clip, location="") for clip in scan.clips[:20]]
    storage.rm(f"/{name}", recursive=True)


def test_sound_is_not_read_by_a_scan(name: str, scan: Scan, tmp_path: Path) -> None:
    some = scan.clips[:20]
    for clip in some:
        (tmp_path / get_name(clip.location)).touch()
    assert [clip.name for clip in CORPORA[name]().scan(tmp_path).clips] == [clip.name for clip in some]


def test_missing_and_empty_folders_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="not a folder"):
        CORPORA[name]().scan(tmp_path / "nowhere")
    with pytest.raises(CorpusError, match="is empty"):
        CORPORA[name]().scan(tmp_path)


def test_looking_up_corpora_and_splits_loads_neither_torch_nor_scipy() -> None:
    code = (
        "import sys, ser.splits.split; from ser.corpora.base import CORPORA; list(CORPORA);"
        "print(*({'torch', 'scipy', 'librosa', 'sklearn'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""
