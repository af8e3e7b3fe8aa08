"""Features of a whole corpus by batched Ray tasks, into the content-addressed store.

The driver sees only facts (digest, length, peak), never features; the number of tasks in flight is bounded. What a
worker cannot read, because its machine does not have the corpus, the driver reads and sends. A batch whose worker dies
is repeated, then clip by clip, so that a sound which kills whoever reads it costs nothing but itself.

Where the time of a clip of CREMA-D goes, in ms of one core on a busy machine, in all 1.7: features 1.07, writing 0.29
(0.11 of them checksums and form), decoding 0.19, reading 0.07, digest 0.04, looking it up 0.02, facts 0.01. A clip that
is there costs 0.17: reading, digest, and 0.06 for the header of its entry. tests/benchmarks/bench_extraction.py.
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
_CLIPS_COMPARED_TOGETHER = 512

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
        """As `ser.features.extractor.Extractor` says."""
        facts: dict[str, AudioFacts] = {}
        unusable: dict[str, str] = {}
        n_computed, marked = 0, time.monotonic()
        store.clean()
        store.mark_used(pipeline.digest)
        for part in _Flow(clips, (store, pipeline, whole)).parts():
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
        """As `ser.features.extractor.Extractor` says."""
        firsts = range(0, len(digests), _CLIPS_COMPARED_TOGETHER)
        batches = [digests[first : first + _CLIPS_COMPARED_TOGETHER] for first in firsts] or [()]
        tasks = [_fingerprints_of.remote(batch, store, pipeline) for batch in batches]
        return np.concatenate([get_result(task) for task in tasks])


@dataclass(frozen=True)
class _Batch:
    clips: Sequence[Clip]
    sent: bool = False


class _Flow:
    """Batches on their way to the workers, so many at a time, and what comes back."""

    def __init__(self, clips: Sequence[Clip], settings: tuple[FeatureStore, Pipeline, bool]) -> None:
        self._clips = clips
        self._settings = settings
        self._bound = _TASKS_PER_CORE * max(1, int(resources().get("CPU", 1)))
        self._again: deque[_Batch] = deque()
        self._in_flight: dict[ray.ObjectRef[BatchResult], _Batch] = {}

    def parts(self) -> Iterator[BatchResult]:
        """What was found, batch by batch, in the order in which they end."""
        fresh = self._fresh()
        while True:
            while len(self._in_flight) < self._bound:
                batch = self._again.popleft() if self._again else next(fresh, None)
                if batch is None:
                    break
                yield self._submit(batch)
            if not self._in_flight:
                return
            (ref,), _ = ray.wait(list(self._in_flight), num_returns=1)
            yield self._result(ref, self._in_flight.pop(ref))

    def _fresh(self) -> Iterator[_Batch]:
        """The clips in their order; towards the end in ever smaller batches, so that no worker waits for another."""
        first = 0
        while n_left := len(self._clips) - first:
            size = min(n_left, _MOST_CLIPS, max(_FEWEST_CLIPS, n_left // self._bound))
            yield _Batch(self._clips[first : first + size])
            first += size

    def _submit(self, batch: _Batch) -> BatchResult:
        """Hand a batch to the workers; what of it the driver itself cannot read."""
        sounds, problems = self._read(batch) if batch.sent else ([Sound(c.name, c.location) for c in batch.clips], {})
        if sounds:
            self._in_flight[_extract_batch.remote(sounds, *self._settings)] = batch
        return BatchResult(unusable=problems)

    def _read(self, batch: _Batch) -> tuple[list[Sound], dict[str, str]]:
        """The bytes of a batch, or of its beginning where all would be too many; the rest has its turn next."""
        sounds: list[Sound] = []
        problems: dict[str, str] = {}
        n_bytes = 0
        for position, clip in enumerate(batch.clips):
            if n_bytes >= _BYTES_SENT:
                self._again.appendleft(_Batch(batch.clips[position:], sent=True))
                break
            try:
                sounds.append(Sound(clip.name, clip.location, read_sound(clip.location)))
                n_bytes += len(sounds[-1].data or b"")
            except AudioError as error:
                problems[clip.name] = str(error)
            except OSError as error:
                problems[clip.name] = describe_read_error(error)
        return sounds, problems

    def _result(self, ref: ray.ObjectRef[BatchResult], batch: _Batch) -> BatchResult:
        try:
            part = get_result(ref)
        except WorkerDiedError as error:
            return self._outlived(batch, error)
        if part.unread:
            self._again.append(_Batch([clip for clip in batch.clips if clip.name in part.unread], sent=True))
        return part

    def _outlived(self, batch: _Batch, error: WorkerDiedError) -> BatchResult:
        """Of a batch that killed every worker which took it: each clip alone; one alone is given up."""
        if len(batch.clips) > 1:
            self._again.extend(_Batch([clip], batch.sent) for clip in batch.clips)
            return BatchResult()
        died = "memory ran out" if error.out_of_memory else "its process died"
        reason = f"whoever reads it does not survive ({died}, {_RETRIES + 1} times): look at the file, record it again"
        return BatchResult(unusable={batch.clips[0].name: reason})
