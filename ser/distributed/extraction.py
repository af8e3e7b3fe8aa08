"""Features of a whole corpus by batched Ray tasks, into the content-addressed store.

The driver process receives only facts (digest, length, peak), never features; the number of tasks in flight is bounded.
Files that a worker cannot read, because its machine does not have the corpus, are read and sent by the driver process.
A batch whose worker dies is repeated, then clip by clip, so that a file which kills its reader affects no other clip.

Time per clip of CREMA-D, in ms of one core on a busy machine: 1.7 in all, of which features 1.07, writing 0.29 (0.11 of
that for checksums and format), decoding 0.19, reading 0.07, digest 0.04, look-up 0.02, facts 0.01. A clip that is
already in the store takes 0.17: reading, digest, and 0.06 for the header of its entry. Measured by
tests/benchmarks/bench_extraction.py.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from ser.audio import AudioError, AudioFacts
from ser.corpora.base import Clip
from ser.distributed.cluster import resources
from ser.distributed.tasks import WorkerDiedError, get_result
from ser.features.batch import BatchResult, Extraction, Sound, describe_read_error, extract_batch, read_sound
from ser.features.extractor import read_fingerprints
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore

_MOST_CLIPS, _FEWEST_CLIPS = 64, 8
_TASKS_PER_CORE = 4
_BYTES_SENT = 8_000_000
_MARK_EVERY_S = 60.0
_RETRIES = 1
_FINGERPRINTS_PER_TASK = 512

_extract_batch: Any = ray.remote(num_cpus=1, max_retries=_RETRIES)(extract_batch)
_fingerprints_of: Any = ray.remote(num_cpus=1, max_retries=3)(read_fingerprints)


class RayExtractor:
    """Extraction by Ray tasks on every machine of the cluster. Ray must be running."""

    def extract(
        self,
        clips: Sequence[Clip],
        *,
        store: FeatureStore,
        pipeline: Pipeline,
        whole: bool,
        max_unusable: float,
        progress: Callable[[int, int], None],
    ) -> Extraction:
        """Implement `ser.features.extractor.Extractor.extract`.

        Raises:
            UserError: the store cannot be written.
        """
        facts: dict[str, AudioFacts] = {}
        unusable: dict[str, str] = {}
        n_computed, marked = 0, time.monotonic()
        store.clean()
        store.mark_used(pipeline.digest)
        for part in _BatchQueue(clips, (store, pipeline, whole)).results():
            if time.monotonic() - marked > _MARK_EVERY_S:
                store.mark_used(pipeline.digest)
                marked = time.monotonic()
            facts |= part.facts
            unusable |= part.unusable
            n_computed += part.n_computed
            progress(len(facts) + len(unusable), len(unusable))
            if len(unusable) > max_unusable:
                break
        return Extraction(dict(sorted(facts.items())), dict(sorted(unusable.items())), n_computed)

    def read_fingerprints(
        self, digests: Sequence[str], *, store: FeatureStore, pipeline: Pipeline
    ) -> NDArray[np.float16]:
        """Implement `ser.features.extractor.Extractor.fingerprints`.

        Raises:
            WorkerDiedError: a worker process died in every attempt.
        """
        firsts = range(0, len(digests), _FINGERPRINTS_PER_TASK)
        batches = [digests[first : first + _FINGERPRINTS_PER_TASK] for first in firsts] or [()]
        tasks = [_fingerprints_of.remote(batch, store, pipeline) for batch in batches]
        return np.concatenate([get_result(task) for task in tasks])


@dataclass(frozen=True)
class _Batch:
    """Clips of one task; `send` where the driver process is to read them for the worker."""

    clips: Sequence[Clip]
    send: bool = False


class _BatchQueue:
    """Batches of clips for the workers, of which a bounded number is in flight, and their results."""

    def __init__(self, clips: Sequence[Clip], settings: tuple[FeatureStore, Pipeline, bool]) -> None:
        self._clips = clips
        self._settings = settings
        self._bound = _TASKS_PER_CORE * max(1, int(resources().get("CPU", 1)))
        self._repeated: deque[_Batch] = deque()
        self._in_flight: dict[ray.ObjectRef[BatchResult], _Batch] = {}

    def results(self) -> Iterator[BatchResult]:
        """Results of the batches, in the order in which they end."""
        new = self._make_batches()
        while True:
            while len(self._in_flight) < self._bound:
                batch = self._repeated.popleft() if self._repeated else next(new, None)
                if batch is None:
                    break
                yield self._submit(batch)
            if not self._in_flight:
                return
            (ref,), _ = ray.wait(list(self._in_flight), num_returns=1)
            yield self._receive(ref, self._in_flight.pop(ref))

    def _make_batches(self) -> Iterator[_Batch]:
        """Batch the clips in their order; towards the end the batches get smaller, so that the workers end together."""
        first = 0
        while n_left := len(self._clips) - first:
            size = min(n_left, _MOST_CLIPS, max(_FEWEST_CLIPS, n_left // self._bound))
            yield _Batch(self._clips[first : first + size])
            first += size

    def _submit(self, batch: _Batch) -> BatchResult:
        """Start the task of a batch; return the clips of it that the driver process cannot read."""
        sounds, problems = self._read(batch) if batch.send else ([Sound(c.name, c.location) for c in batch.clips], {})
        if sounds:
            self._in_flight[_extract_batch.remote(sounds, *self._settings)] = batch
        return BatchResult(unusable=problems)

    def _read(self, batch: _Batch) -> tuple[list[Sound], dict[str, str]]:
        """Read the files of a batch; where they are too large together, the last ones become the next batch."""
        sounds: list[Sound] = []
        problems: dict[str, str] = {}
        n_bytes = 0
        for position, clip in enumerate(batch.clips):
            if n_bytes >= _BYTES_SENT:
                self._repeated.appendleft(_Batch(batch.clips[position:], send=True))
                break
            try:
                sounds.append(Sound(clip.name, clip.location, read_sound(clip.location)))
                n_bytes += len(sounds[-1].data or b"")
            except AudioError as error:
                problems[clip.name] = str(error)
            except OSError as error:
                problems[clip.name] = describe_read_error(error)
        return sounds, problems

    def _receive(self, ref: ray.ObjectRef[BatchResult], batch: _Batch) -> BatchResult:
        try:
            part = get_result(ref)
        except WorkerDiedError as error:
            return self._split_fatal(batch, error)
        if part.unread:
            self._repeated.append(_Batch([clip for clip in batch.clips if clip.name in part.unread], send=True))
        return part

    def _split_fatal(self, batch: _Batch, error: WorkerDiedError) -> BatchResult:
        """Repeat a batch whose workers all died clip by clip; a single clip is reported as unusable."""
        if len(batch.clips) > 1:
            self._repeated.extend(_Batch([clip], batch.send) for clip in batch.clips)
            return BatchResult()
        died = "memory ran out" if error.out_of_memory else "its process died"
        reason = f"it kills the worker that reads it ({died}, {_RETRIES + 1} times): check the file, or record it again"
        return BatchResult(unusable={batch.clips[0].name: reason})
