"""The report of clips that cannot be used, and how many are too many."""

import argparse
import csv
import re
from pathlib import Path

import pytest

from ser.audio import AudioFacts
from ser.commands.options import parse_percent
from ser.corpora.base import Clip, CorpusError
from ser.errors import UserError
from ser.features.batch import Extraction
from ser.features.quarantine import Quarantine

CLIPS = [Clip(f"clip {n}", f"/corpus/{n}.wav", "speaker", "sentence", "anger", "XX") for n in range(200)]


def found(n_bad: int, n_good: int = 100) -> Extraction:
    good = {clip.name: AudioFacts("digest", 10, 0.5) for clip in CLIPS[n_bad : n_bad + n_good]}
    return Extraction(good, {clip.name: f'reason {clip.name}, "quoted"' for clip in CLIPS[:n_bad]}, n_good)


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    return Quarantine(tmp_path / "quarantine-cremad.csv", 1.0)


def test_the_report_lists_every_bad_clip_and_goes_with_the_last(quarantine: Quarantine) -> None:
    quarantine.write(CLIPS, found(12))
    with quarantine.report.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["clip", "file", "reason"]
    assert rows[1:] == [[f"clip {n}", f"/corpus/{n}.wav", f'reason clip {n}, "quoted"'] for n in range(12)]
    quarantine.write(CLIPS, found(1))
    assert len(quarantine.report.read_text().splitlines()) == 2
    quarantine.write(CLIPS, found(0))
    assert list(quarantine.report.parent.iterdir()) == []


def test_a_report_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(UserError, match="cannot be used"):
        Quarantine(tmp_path / "file" / "report.csv", 1.0).write(CLIPS, found(1))


@pytest.mark.parametrize(("n_bad", "max_bad"), [(0, 0), (2, 1), (3, 1.5), (100, 50), (199, 100)])
def test_as_many_as_may_be_are_no_obstacle(quarantine: Quarantine, n_bad: int, max_bad: float) -> None:
    Quarantine(quarantine.report, max_bad).refuse_too_many(found(n_bad), len(CLIPS))


@pytest.mark.parametrize(("n_bad", "max_bad"), [(1, 0), (3, 1), (4, 1.5), (101, 50)])
def test_more_are_refused_with_number_and_reason(quarantine: Quarantine, n_bad: int, max_bad: float) -> None:
    looked_at = min(200, n_bad + 100)
    rule = f"{n_bad} of the first {looked_at} of 200 clips cannot be used, more than {max_bad:g} % of all (--max-bad)"
    with pytest.raises(CorpusError, match=re.escape(rule)) as refused:
        Quarantine(quarantine.report, max_bad).refuse_too_many(found(n_bad), len(CLIPS))
    assert f"{quarantine.report} lists them; the most frequent reason: reason clip" in str(refused.value)


def test_without_one_good_clip_nothing_goes_on(quarantine: Quarantine) -> None:
    with pytest.raises(CorpusError, match=r"none of 200 clips can be used; .* lists them; the most frequent"):
        Quarantine(quarantine.report, 100).refuse_too_many(found(200, 0), len(CLIPS))


@pytest.mark.parametrize("text", ["0", "1", "2.5", "100"])
def test_a_share_is_a_number_of_percent(text: str) -> None:
    assert parse_percent(text) == float(text)


@pytest.mark.parametrize("text", ["-1", "101", "nan", "inf", "1%", ""])
def test_other_shares_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=rf"percent in \[0, 100\], got '{text}'"):
        parse_percent(text)
