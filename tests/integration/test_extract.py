"""`tune/extract_features.py`: computes what is missing and no more, says what cannot be used."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from processes import EXTRACT, Finished, run
from ser.audio import decode
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore

pytestmark = pytest.mark.integration

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 71000\n"


def extract(folder: Path, corpus: Path, *words: object) -> Finished:
    """Into the store `store` of `folder`; the corpus is taken for CREMA-D."""
    return run(sys.executable, EXTRACT, "--corpus-dir", corpus, "--store", folder / "store", *words, folder=folder)


@pytest.fixture
def some_clips(tmp_path: Path, corpus_dir: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for path in sorted((corpus_dir / "AudioWAV").iterdir())[:40]:
        shutil.copy(path, folder)
    return folder


def check_stored(paths: Iterable[Path], store: Path) -> None:
    """What the store holds is what this process computes, bit for bit."""
    pipeline, features = Pipeline(), FeatureStore(store)
    for path in paths:
        wave = decode(path.read_bytes())
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        entry = features.read(features.key(digest, pipeline.digest))
        assert entry is not None
        for space, rows in pipeline.compute(wave).items():
            np.testing.assert_array_equal(entry.features[space], rows)


def test_computes_each_clip_once_and_one_that_changed_again(tmp_path: Path, some_clips: Path) -> None:
    first = extract(tmp_path, some_clips)
    assert first.code == 0, first.seen
    assert first.stderr == ""
    assert "40 of 7,442 clips" in first.stdout
    assert ": 40 computed, 0 were there" in first.stdout
    check_stored(some_clips.iterdir(), tmp_path / "store")
    changed = sorted(some_clips.iterdir())[7]
    samples, rate = soundfile.read(changed)
    soundfile.write(changed, samples[::-1], rate)
    again = extract(tmp_path, some_clips)
    assert ": 1 computed, 39 were there" in again.stdout, again.seen
    check_stored(some_clips.iterdir(), tmp_path / "store")
    last = extract(tmp_path, some_clips)
    assert ": 0 computed, 40 were there" in last.stdout, last.seen


def test_a_bad_clip_is_named_and_the_others_are_extracted(tmp_path: Path, some_clips: Path) -> None:
    junk, pointer, silent = sorted(some_clips.iterdir())[:3]
    junk.write_bytes(b"this is no sound at all")
    pointer.write_text(POINTER)
    soundfile.write(silent, np.zeros(16000), 16000)
    (some_clips / "notes.wav").write_bytes(b"?")
    ended = extract(tmp_path, some_clips)
    assert ended.code == 0, ended.seen
    assert "1 files whose names do not fit the corpus are left out:\n  notes.wav" in ended.stdout
    assert "2 clips cannot be used:" in ended.stdout
    assert f"{junk.stem}: cannot be read as sound" in ended.stdout
    assert f"{pointer.stem}: this is a Git LFS pointer" in ended.stdout
    assert ": 38 computed, 0 were there" in ended.stdout


def test_a_folder_of_lfs_pointers_is_refused_with_the_remedy(tmp_path: Path, some_clips: Path) -> None:
    for path in some_clips.iterdir():
        path.write_text(POINTER)
    ended = extract(tmp_path, some_clips)
    assert ended.code == 2, ended.seen
    assert "error: not one of the 40 clips can be used" in ended.stdout
    assert "git lfs pull" in ended.stdout.splitlines()[-1]
    assert "Traceback" not in ended.seen


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_without_clips_is_refused(tmp_path: Path, exists: bool) -> None:
    corpus = tmp_path / "empty"
    if exists:
        corpus.mkdir()
    ended = extract(tmp_path, corpus)
    assert ended.code == 2, ended.seen
    (line,) = ended.seen.splitlines()
    assert line.startswith(f"error: {corpus} is {'empty: download CREMA-D' if exists else 'not a folder'}")


def test_an_unknown_corpus_and_a_cluster_that_is_not_there_are_refused(tmp_path: Path, some_clips: Path) -> None:
    unknown = extract(tmp_path, some_clips, "--corpus", "cremadd")
    assert (unknown.code, "did you mean 'cremad'?" in unknown.stdout) == (2, True), unknown.seen
    away = extract(tmp_path, some_clips, "--ray-address", "ray://127.0.0.1:1")
    assert (away.code, "error: 'ray://127.0.0.1:1'" in away.stdout) == (2, True), away.seen


def test_real_clips_as_their_publisher_has_them(tmp_path: Path, shared_dir: Path) -> None:
    subprocess.run([sys.executable, shared_dir / "cremad" / "unpack", tmp_path / "cremad", "--actors", "2"], check=True)
    ended = extract(tmp_path, tmp_path / "cremad")
    assert ended.code == 0, ended.seen
    assert "163 of 7,442 clips, 2 of 91 speakers" in ended.stdout
    assert ": 163 computed, 0 were there" in ended.stdout
    check_stored((tmp_path / "cremad" / "AudioWAV").iterdir(), tmp_path / "store")
