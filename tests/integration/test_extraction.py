"""Extraction by real Ray tasks: what workers, disks and sounds may do to it, and what it costs."""

import contextlib
import fcntl
import os
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
import ray

from ser.audio import Wave, decode, digest_of
from ser.corpora.base import CORPORA, Clip
from ser.corpora.locations import read_bytes
from ser.distributed import extraction
from ser.distributed.cluster import connect, resources
from ser.distributed.extraction import RayExtractor
from ser.distributed.tasks import WorkerDiedError, get_result
from ser.errors import UserError
from ser.features.base import Rows
from ser.features.batch import Extraction, Sound
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore
from tests.support.small_disk import SmallDisk, mounting_is_permitted

pytestmark = pytest.mark.integration

# Workers do not find this module.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


@dataclass(frozen=True)
class Watched(Pipeline):
    """Computes the same numbers, notes which process did, takes its time, and dies of sounds of one length."""

    log: Path = Path("log")
    pause_s: float = 0.0
    deadly: int = 0

    def compute(self, wave: Wave) -> dict[str, Rows]:
        with self.log.open("a") as log:
            log.write(f"{os.getpid()} {digest_of(wave.tobytes())}\n")
        if len(wave) == self.deadly:
            os.kill(os.getpid(), SIGKILL)
        time.sleep(self.pause_s)
        return Pipeline.compute(self, wave)

    def seen(self) -> list[tuple[int, str]]:
        """Process and clip of each computation, in order."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [(int(line.split()[0]), line.split()[1]) for line in lines]


@pytest.fixture(scope="module", autouse=True)
def local_ray() -> Iterator[None]:
    with connect(None):
        yield


@pytest.fixture(scope="module")
def clips(corpus_dir: Path) -> Sequence[Clip]:
    return CORPORA["synthetic"]().scan(corpus_dir).clips


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "store")


def run(clips: Sequence[Clip], store: FeatureStore, pipeline: Pipeline | None = None, **changed: Any) -> Extraction:
    options: dict[str, Any] = {"whole": False, "max_unusable": 0, "progress": lambda *_: None, **changed}
    return RayExtractor().extract(clips, store=store, pipeline=pipeline or Pipeline(), **options)


def check_whole(store: FeatureStore, clips: Sequence[Clip]) -> None:
    """The store holds what this process computes of each clip, bit for bit, and nothing else."""
    pipeline, digests = Pipeline(), set()
    for clip in clips:
        data = read_bytes(clip.location)
        digests.add(digest_of(data))
        entry = store.read(store.key(digest_of(data), pipeline.digest))
        assert entry is not None
        for space, rows in pipeline.compute(decode(data)).items():
            assert pipeline.unpack(entry.features)[space].tobytes() == rows.tobytes()
    assert len(list(store.keys())) == len(digests)


def test_a_killed_worker_costs_its_batch_and_nothing_else_is_computed_twice(
    clips: Sequence[Clip], store: FeatureStore, tmp_path: Path
) -> None:
    pipeline = Watched(log=tmp_path / "log", pause_s=0.005)
    killed: list[int] = []

    def kill_one() -> None:
        while len(seen := pipeline.seen()) < 30:
            time.sleep(0.01)
        os.kill(seen[-1][0], SIGKILL)
        killed.append(seen[-1][0])

    killer = threading.Thread(target=kill_one)
    killer.start()
    found = run(clips, store, pipeline)
    killer.join()
    assert len(killed) == 1
    assert (len(found.facts), found.unusable) == (len(clips), {})
    times = Counter(digest for _, digest in pipeline.seen())
    assert len(times) == len(clips)
    # But for the clip it was at, the batch of the dead worker was in the store already.
    assert sum(times.values()) <= len(clips) + 1
    assert killed[0] not in {pid for pid, _ in pipeline.seen()[-50:]}
    check_whole(store, clips)


def test_a_sound_that_kills_whoever_reads_it_is_given_up_and_no_other(
    clips: Sequence[Clip], store: FeatureStore, tmp_path: Path
) -> None:
    some = clips[:20]
    lengths = Counter(len(decode(read_bytes(clip.location))) for clip in some)
    deadly = next(clip for clip in some if lengths[len(decode(read_bytes(clip.location)))] == 1)
    pipeline = Watched(log=tmp_path / "log", deadly=len(decode(read_bytes(deadly.location))))
    found = run(some, store, pipeline, max_unusable=1)
    assert list(found.unusable) == [deadly.name]
    assert "kills the worker that reads it (its process died, 2 times)" in found.unusable[deadly.name]
    check_whole(store, [clip for clip in some if clip is not deadly])


def test_tasks_in_flight_are_bounded(
    clips: Sequence[Clip], store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited_for: list[int] = []
    wait = ray.wait

    def counted(refs: list[object], **options: Any) -> object:
        waited_for.append(len(refs))
        return wait(refs, **options)

    monkeypatch.setattr(ray, "wait", counted)
    monkeypatch.setattr(extraction, "_MOST_CLIPS", 4)
    assert run(clips, store).n_computed == len(clips)
    assert max(waited_for) == 4 * resources()["CPU"]
    assert len(waited_for) >= len(clips) / 4


class Sent:
    """The bytes that go with each task."""

    def __init__(self, task: Any) -> None:
        self._task = task
        self.n_bytes: list[int] = []

    def remote(self, sounds: list[Sound], *settings: object) -> object:
        self.n_bytes.append(sum(len(sound.data or b"") for sound in sounds))
        return self._task.remote(sounds, *settings)


def test_what_only_the_driver_can_read_it_sends_a_bounded_lot_at_a_time(
    clips: Sequence[Clip], store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = clips[:40]
    sent = Sent(extraction._extract_batch)
    monkeypatch.setattr(extraction, "_extract_batch", sent)
    monkeypatch.setattr(extraction, "_BYTES_SENT", 200_000)
    with contextlib.ExitStack() as opened:
        # Files of this process: no worker has as many open.
        held = [fcntl.fcntl(opened.enter_context(Path(clip.location).open()), fcntl.F_DUPFD, 700) for clip in some]
        for number in held:
            opened.callback(os.close, number)
        mine = [replace(clip, location=f"/proc/self/fd/{number}") for clip, number in zip(some, held, strict=True)]
        found = run(mine, store)
    assert (found.n_computed, found.unusable) == (40, {})
    longest = max(Path(clip.location).stat().st_size for clip in some)
    assert sum(sent.n_bytes) > 200_000
    assert max(sent.n_bytes) < 200_000 + longest
    check_whole(store, some)


def test_damaged_entries_are_computed_again(clips: Sequence[Clip], store: FeatureStore) -> None:
    some = clips[:12]
    assert run(some, store).n_computed == 12
    flipped, cut, emptied = [store.path(key) for key in sorted(store.keys())[:3]]
    content = flipped.read_bytes()
    flipped.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    cut.write_bytes(cut.read_bytes()[:-1])
    emptied.write_bytes(b"")
    assert run(some, store).n_computed == 2
    assert run(some, store, whole=True).n_computed == 1
    assert run(some, store, whole=True).n_computed == 0
    check_whole(store, some)


def settled(store: FeatureStore) -> int:
    """Entries, once the tasks that were under way when a run was given up have ended."""
    before, now = -1, len(list(store.keys()))
    while now != before:
        time.sleep(2)
        before, now = now, len(list(store.keys()))
    return now


def test_a_full_disk_is_told_and_what_is_there_is_kept(clips: Sequence[Clip], tmp_path: Path) -> None:
    if not mounting_is_permitted(tmp_path / "mounted"):
        pytest.skip("a small disk cannot be mounted here")
    with SmallDisk(tmp_path / "disk") as disk:
        store = FeatureStore(disk.folder / "store")
        run(clips[:40], store)
        disk.fill()
        with pytest.raises(UserError, match=r"no room left .*: free some, .*; what is there is kept"):
            run(clips, store)
        check_whole(store, clips[:40])
        disk.free()
        n_there = settled(store)
        found = run(clips, store)
        assert n_there >= 40
        assert (found.n_computed, len(found.facts)) == (len(clips) - n_there, len(clips))
        check_whole(store, clips)


def test_it_stops_as_soon_as_too_many_sounds_are_bad(
    clips: Sequence[Clip], store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    junk = tmp_path / "junk.wav"
    junk.write_bytes(b"no sound")
    bad = [Clip(f"bad {number}", str(junk), "", "", "", "") for number in range(2000)]
    monkeypatch.setattr(extraction, "_MOST_CLIPS", 8)
    found = run([*bad, *clips], store, max_unusable=10)
    assert 10 < len(found.unusable) <= 10 + 8


def test_what_a_file_that_vanishes_costs(clips: Sequence[Clip], store: FeatureStore, tmp_path: Path) -> None:
    there, gone = tmp_path / "there.wav", tmp_path / "gone.wav"
    shutil.copy(clips[0].location, there)
    named = [Clip(path.stem, str(path), "", "", "", "") for path in (there, gone, tmp_path)]
    found = run(named, store, max_unusable=2)
    assert list(found.facts) == ["there"]
    assert "cannot be read (No such file or directory)" in found.unusable["gone"]
    assert "cannot be read (Is a directory)" in found.unusable[tmp_path.name]


@ray.remote(max_retries=0)
def _die() -> None:
    os.kill(os.getpid(), SIGKILL)


def test_of_a_task_whose_worker_dies_it_is_said_in_a_sentence() -> None:
    with pytest.raises(WorkerDiedError, match="a Ray worker died, or its whole machine: look into Ray's logs") as died:
        get_result(_die.remote())
    assert not died.value.out_of_memory
