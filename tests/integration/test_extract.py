"""`tune/extract_features.py`: computes what is missing and no more, says what cannot be used."""

import csv
import io
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from signal import SIGKILL

import numpy as np
import pytest
import soundfile

from ser.features.store import FeatureStore
from tests.support.command_runner import EXTRACT, Finished, run, run_sweep, running
from tests.support.ray_cluster import Cluster
from tests.support.script_in_process import RunHere
from tests.support.small_disk import mounting_is_permitted
from tests.support.stored_features import check_stored

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning"),
]

# Root may read everything but for this.
AS_IF_NOT_ROOT = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.getuid() == 0 else ()
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
    other = tmp_path / "store" / ("0" * 64) / "ab" / "abcd.features"
    other.parent.mkdir(parents=True)
    other.write_bytes(bytes(1_500_000))
    last = extract(tmp_path, some_clips, "--prune", "--home", ".ser")
    assert ": 0 computed, 40 were there" in last.stdout, last.seen
    assert "Removed 1 entries, 1.5 MB, of settings that are not in use" in last.stdout
    check_stored(some_clips.iterdir(), tmp_path / "store")


def as_wav(samples: np.ndarray, rate_hz: int = 16_000, kind: str = "WAV", subtype: str | None = None) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format=kind, subtype=subtype)
    return buffer.getvalue()


def quarantined(folder: Path, corpus: Path) -> dict[str, str]:
    """Reasons by clip, as the report beside the store has them."""
    with (folder / "quarantine-cremad.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(Path(row["file"]) == corpus / f"{row['clip']}.wav" for row in rows)
    return {row["clip"]: row["reason"] for row in rows}


def test_sound_of_every_kind_is_used_or_listed_with_its_reason(tmp_path: Path, some_clips: Path) -> None:
    paths = sorted(some_clips.iterdir())
    whole = paths[0].read_bytes()
    samples, _ = soundfile.read(paths[0], dtype="float32")
    broken = samples.copy()
    broken[100] = np.nan
    stereo = np.stack([samples, samples / 2], axis=1)
    mp3 = as_wav(samples, kind="MP3")
    usable = [
        np.zeros(16_000, np.float32), (samples, 8_000), (stereo, 48_000), (samples, 24_414),
        (samples, 16_000, "WAV", "PCM_24"), (samples, 16_000, "AIFF"), mp3, b"ID3\x03\0\0\0\0\2\0" + bytes(256) + mp3,
    ]  # fmt: skip
    unusable = {
        b"this is no sound at all": "cannot be read as sound",
        b"": "the sound file is empty",
        POINTER.encode(): "this is a Git LFS pointer",
        whole[: len(whole) // 2]: "the file is cut off: its header declares",
        as_wav(samples, kind="FLAC")[:9000]: "cannot be read as sound",
        as_wav(samples[:0]): "holds no samples",
        as_wav(broken, subtype="FLOAT"): "not finite (NaN or Inf)",
        as_wav(np.full(16_000, np.inf, np.float32), subtype="FLOAT"): "not finite (NaN or Inf)",
        as_wav(samples * 1e18, subtype="FLOAT"): "times full scale, at most 100 times is accepted",
        as_wav(np.zeros(8_000 * 7200, np.int16), 8_000, subtype="PCM_U8"): "lasts 7200.0 s, at most 60 s",
    }
    for path, sound in zip(paths, usable, strict=False):
        path.write_bytes(
            sound if isinstance(sound, bytes) else as_wav(*(sound if isinstance(sound, tuple) else [sound]))
        )
    expected = {}
    for path, (content, reason) in zip(paths[len(usable) :], unusable.items(), strict=False):
        path.write_bytes(content)
        expected[path.stem] = reason
    forbidden, endless = paths[-2:]
    forbidden.chmod(0)
    with endless.open("r+b") as file:
        file.truncate(2 * 7200 * 16_000)
    expected |= {
        forbidden.stem: "cannot be read (Permission denied)",
        endless.stem: "the file is larger than 100 MB",
    }
    (some_clips / "notes.wav").write_bytes(b"?")
    words = ["--corpus-dir", some_clips, "--store", tmp_path / "store"]
    ended = run(*AS_IF_NOT_ROOT, sys.executable, EXTRACT, *words, "--max-bad", "35", folder=tmp_path)
    assert ended.code == 0, ended.seen
    assert ended.stderr == ""
    assert "1 files whose names do not fit the corpus are omitted:\n  notes.wav" in ended.stdout
    assert f"12 clips cannot be used, all of them in {tmp_path}/quarantine-cremad.csv:" in ended.stdout
    assert ": 28 computed, 0 were there" in ended.stdout
    found = quarantined(tmp_path, some_clips)
    assert found.keys() == expected.keys()
    for name, reason in expected.items():
        assert reason in found[name]
    check_stored([path for path in paths if path.stem not in expected], tmp_path / "store")


def test_too_many_bad_clips_stop_the_work_with_the_list(tmp_path: Path, some_clips: Path) -> None:
    for path in some_clips.iterdir():
        path.write_text(POINTER)
    ended = extract(tmp_path, some_clips, "--max-bad", "50")
    assert ended.code == 2, ended.seen
    last = ended.stdout.splitlines()[-1]
    assert last.startswith("error: ")
    assert "of 40 clips cannot be used, more than 50 % of all (--max-bad)" in last
    assert "git lfs pull" in last
    assert len(quarantined(tmp_path, some_clips)) > 20
    assert "Traceback" not in ended.seen


def test_a_sweep_stops_over_one_percent_of_bad_clips(tmp_path: Path, some_clips: Path) -> None:
    bad = sorted(some_clips.iterdir())[0]
    bad.write_bytes(b"?")
    ended = run_sweep("--plan", "demo", "--corpus", "cremad", "--corpus-dir", some_clips, folder=tmp_path)
    assert ended.code == 2, ended.seen
    assert "error: 1 of the first " in ended.stdout
    assert "more than 1 % of all (--max-bad)" in ended.stdout
    assert list(quarantined(tmp_path / ".ser", some_clips)) == [bad.stem]


def test_workers_that_do_not_have_the_corpus_get_its_bytes(tmp_path: Path, some_clips: Path) -> None:
    if not mounting_is_permitted(tmp_path / "mounted"):
        pytest.skip("a folder cannot be hidden here")
    with Cluster(tmp_path / "cluster", hidden=some_clips) as cluster:
        ended = extract(tmp_path, some_clips, "--ray-address", cluster.address)
    assert ended.code == 0, ended.seen
    assert ": 40 computed, 0 were there" in ended.stdout
    check_stored(some_clips.iterdir(), tmp_path / "store")


def number_when_settled(store: FeatureStore) -> int:
    """Entries, when the workers of a killed command, which outlive it by a moment, write no more."""
    before = -1
    while (now := len(list(store.keys()))) != before:
        before = now
        time.sleep(2)
    return now


def test_a_killed_extraction_leaves_nothing_wrong_and_the_next_does_what_is_missing(
    tmp_path: Path, corpus_dir: Path
) -> None:
    (tmp_path / "first").mkdir()
    store, n_clips = FeatureStore(tmp_path / "store"), len(list((corpus_dir / "AudioWAV").iterdir()))
    words = ["--corpus", "synthetic", "--corpus-dir", corpus_dir, "--store", store.root]
    with running(sys.executable, EXTRACT, *words, folder=tmp_path / "first") as command:
        while not any(store.keys()):
            assert not command.has_ended, command.text
        command.signal(SIGKILL, everyone=True)
        command.end()
    n_there = number_when_settled(store)
    again = run(sys.executable, EXTRACT, *words, folder=tmp_path)
    assert f": {n_clips - n_there} computed, {n_there} were there" in again.stdout, again.seen
    check_stored((corpus_dir / "AudioWAV").iterdir(), store.root)


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_without_clips_is_refused(tmp_path: Path, exists: bool, run_here: RunHere) -> None:
    corpus = tmp_path / "empty"
    if exists:
        corpus.mkdir()
    ended = run_here(EXTRACT, "--corpus-dir", corpus, "--store", tmp_path / "store", folder=tmp_path)
    assert ended.code == 2, ended.seen
    (line,) = ended.seen.splitlines()
    assert line.startswith(f"error: {corpus} is {'empty: download CREMA-D' if exists else 'not a folder'}")


def test_an_unknown_corpus_and_a_cluster_that_is_not_there_are_refused(
    tmp_path: Path, some_clips: Path, run_here: RunHere
) -> None:
    words = ["--corpus-dir", some_clips, "--store", tmp_path / "store"]
    unknown = run_here(EXTRACT, *words, "--corpus", "cremadd", folder=tmp_path)
    assert (unknown.code, "did you mean 'cremad'?" in unknown.stdout) == (2, True), unknown.seen
    away = run_here(EXTRACT, *words, "--ray-address", "ray://127.0.0.1:1", folder=tmp_path)
    assert (away.code, "error: 'ray://127.0.0.1:1'" in away.stdout) == (2, True), away.seen
    away = run_here(EXTRACT, *words, "--ray-address", "http://127.0.0.1:1", folder=tmp_path)
    assert (away.code, "error: 'http://127.0.0.1:1' accepts only sweeps" in away.stdout) == (2, True), away.seen


def test_real_clips_as_their_publisher_has_them(tmp_path: Path, shared_dir: Path) -> None:
    subprocess.run([sys.executable, shared_dir / "cremad" / "unpack", tmp_path / "cremad", "--actors", "2"], check=True)
    ended = extract(tmp_path, tmp_path / "cremad")
    assert ended.code == 0, ended.seen
    assert "163 of 7,442 clips, 2 of 91 speakers" in ended.stdout
    assert ": 163 computed, 0 were there" in ended.stdout
    check_stored((tmp_path / "cremad" / "AudioWAV").iterdir(), tmp_path / "store")
