"""The doctor on a feature store and a corpus: repairs, and files that it must keep."""

import io
import os
from pathlib import Path

import fsspec
import numpy as np
import pytest
from rich.console import Console

from ser.audio import LFS_POINTER_START, AudioFacts
from ser.corpora.synthetic import make_synthetic
from ser.doctor.features import corpus_finding, store_findings
from ser.doctor.finding import Finding, Level
from ser.features.store import FeatureStore
from ser.features.stored_clip import Entry


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    """Three entries."""
    store = FeatureStore(tmp_path / "features")
    rows = np.zeros((20, 7), np.float32)
    for number in range(3):
        store.write(store.key(str(number), "pipeline"), Entry(AudioFacts("d", 10, 0.5), {"1d": rows + number}))
    return store


def of_store(store: FeatureStore) -> list[Finding]:
    return list(store_findings(store, Console(file=io.StringIO())))


def test_a_whole_store_is_fine_and_an_empty_one_too(store: FeatureStore, tmp_path: Path) -> None:
    (finding,) = of_store(store)
    assert (finding.level, "3 entries" in finding.found, "none damaged" in finding.found) == (Level.OK, True, True)
    (finding,) = of_store(FeatureStore(tmp_path / "none"))
    assert (finding.level, "0 entries" in finding.found) == (Level.OK, True)


def test_damaged_entries_are_removed_when_asked_to(store: FeatureStore) -> None:
    flipped, cut, _ = map(store.path, sorted(store.keys()))
    content = flipped.read_bytes()
    flipped.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    cut.write_bytes(content[:50])
    (finding,) = of_store(store)
    assert (finding.level, "2 of 3 entries" in finding.found) == (Level.WARNING, True)
    assert finding.fix is not None
    assert finding.fix() == "removed 2 damaged entries"
    assert len(list(store.keys())) == 1
    assert of_store(store)[0].level is Level.OK


def test_an_entry_that_was_computed_again_meanwhile_is_kept(store: FeatureStore) -> None:
    path = store.path(next(store.keys()))
    content = path.read_bytes()
    path.write_bytes(content[:50])
    (finding,) = of_store(store)
    path.write_bytes(content)
    assert finding.fix is not None
    assert finding.fix() == "removed 0 damaged entries"
    assert len(list(store.keys())) == 3


def test_files_of_killed_writers_are_removed_but_not_those_being_written(store: FeatureStore) -> None:
    old, new = store.root / ".unfinished" / "1", store.root / ".unfinished" / "2"
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    _, finding = of_store(store)
    assert (finding.level, "1 unfinished files" in finding.found) == (Level.WARNING, True)
    assert finding.fix is not None
    finding.fix()
    assert (old.exists(), new.exists()) == (False, True)


def test_a_corpus_that_is_there_is_counted(tmp_path: Path) -> None:
    make_synthetic(tmp_path / "clips")
    finding, n_clips = corpus_finding("synthetic", tmp_path / "clips")
    assert finding.level is Level.OK
    assert f"{n_clips:,} of " in finding.found


def test_pointers_instead_of_sound_are_a_problem(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"100{number + 1}_DFA_ANG_XX.wav").write_bytes(LFS_POINTER_START + b"/spec/v1\n")
    (tmp_path / "1004_DFA_ANG_XX.wav").write_bytes(b"RIFF")
    finding, n_clips = corpus_finding("cremad", tmp_path)
    assert (finding.level, n_clips) == (Level.PROBLEM, 4)
    assert "3 of them are Git LFS pointers" in finding.found
    assert finding.remedy == f"git -C {tmp_path} lfs pull"


def test_a_corpus_behind_a_url_is_counted_and_its_first_clip_looked_at() -> None:
    storage = fsspec.filesystem("memory")
    names = [f"1001_DFA_{code}_XX.wav" for code in ("ANG", "NEU", "SAD")]
    for name in names:
        storage.pipe_file(f"/bucket/AudioWAV/{name}", b"sound")
    finding, n_clips = corpus_finding("cremad", "memory://bucket")
    assert (finding.level, n_clips) == (Level.OK, 3)
    assert "cremad in memory://bucket: 3 of 7,442 clips" in finding.found
    storage.pipe_file(f"/bucket/AudioWAV/{names[0]}", b"version https://git-lfs.github.com/spec/v1\n")
    finding, _ = corpus_finding("cremad", "memory://bucket")
    assert (finding.level, f"as {names[0]}" in finding.found) == (Level.PROBLEM, True)
    storage.rm("/bucket", recursive=True)
    finding, n_clips = corpus_finding("cremad", "memory://bucket")
    assert (finding.level, n_clips) == (Level.PROBLEM, None)


def test_a_corpus_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    by_default, _ = corpus_finding("cremad", None)
    remedy = "give its folder with --corpus-dir, or start the sweep with --download"
    assert (by_default.level, by_default.remedy) == (Level.WARNING, remedy)
    assert corpus_finding("synthetic", None)[0].level is Level.OK
    named, n_clips = corpus_finding("cremad", tmp_path / "nowhere")
    assert (named.level, n_clips) == (Level.PROBLEM, None)
    assert named.found.endswith("nowhere is not a folder")
    assert named.remedy.startswith("give the folder that holds AudioWAV")
