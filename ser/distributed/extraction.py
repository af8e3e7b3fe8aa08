"""Features of a whole corpus by batched Ray tasks, into the content-addressed store.

A task reads its files, looks each up in the store by the digest of its bytes, and computes what is missing. The driver
sees only facts (digest, length, peak), never features; the number of tasks in flight is bounded.
"""

import hashlib
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import ray

from ser.audio import AudioError, AudioFacts, decode, facts
from ser.corpora.base import Clip, CorpusError
from ser.corpora.locations import is_remote, read_bytes
from ser.distributed.tasks import results
from ser.features.base import Rows
from ser.features.dataset import join
from ser.features.pipeline import Pipeline
from ser.features.store import Entry, FeatureStore, StoreError
from ser.trial import TrialData

_CLIPS_PER_TASK = 32


@dataclass(frozen=True)
class Extraction:
    """What was found in the sound of clips: facts by name, why some cannot be used, how many were computed."""

    facts: dict[str, AudioFacts]
    unusable: dict[str, str]
    n_computed: int


def extract(
    clips: Sequence[Clip],
    *,
    store: FeatureStore,
    pipeline: Pipeline,
    progress: Callable[[int, float], None],
) -> Extraction:
    """Make sure that the store holds the features of every clip. Ray must be running.

    Args:
        clips: to read.
        store: of features.
        pipeline: what to compute.
        progress: told clips done and clips per second.

    Raises:
        CorpusError: a machine of the cluster does not see the files.
        StoreError: the store cannot be written.
    """
    found: dict[str, AudioFacts] = {}
    unusable: dict[str, str] = {}
    n_computed, started = 0, time.monotonic()
    batches = (clips[first : first + _CLIPS_PER_TASK] for first in range(0, len(clips), _CLIPS_PER_TASK))
    files = ([(clip.name, clip.location) for clip in batch] for batch in batches)
    for part in results(partial(_extract_batch.remote, batch, store, pipeline) for batch in files):
        found |= part.facts
        unusable |= part.unusable
        n_computed += part.n_computed
        done = len(found) + len(unusable)
        progress(done, done / (time.monotonic() - started))
    return Extraction(dict(sorted(found.items())), dict(sorted(unusable.items())), n_computed)


@ray.remote(num_cpus=1, max_retries=3)
def _extract_batch(batch: Sequence[tuple[str, str]], store: FeatureStore, pipeline: Pipeline) -> Extraction:
    found: dict[str, AudioFacts] = {}
    unusable: dict[str, str] = {}
    n_computed = 0
    for name, location in batch:
        try:
            found[name], computed = _ensure(read_bytes(location), store, pipeline)
            n_computed += computed
        except AudioError as error:
            unusable[name] = str(error)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not is_remote(location):
                raise CorpusError(
                    f"{location} is not there on machine {socket.gethostname()}: every machine of the cluster needs "
                    "the corpus folder under the same path, on a shared volume, or give its URL by --corpus-dir"
                ) from None
            unusable[name] = f"cannot be read ({error.strerror}): check the file and its permissions"
    return Extraction(found, unusable, n_computed)


def _ensure(data: bytes, store: FeatureStore, pipeline: Pipeline) -> tuple[AudioFacts, bool]:
    """The facts of a clip whose features are in the store now, and whether they had to be computed."""
    key = store.key(hashlib.sha256(data).hexdigest(), pipeline.digest)
    entry = store.read(key)
    if entry is not None:
        return entry.facts, False
    wave = decode(data)
    found = facts(data, wave)
    store.write(key, Entry(found, pipeline.compute(wave)))
    return found, True


# No core: when a machine is lost with its copy, this runs again while trials hold every core and wait for it.
@ray.remote(num_cpus=0, num_returns=2, max_retries=-1)
def load_data(
    dimensions: int,
    clips: tuple[Clip, ...],
    digests: tuple[str, ...],
    twins: tuple[tuple[str, str], ...],
    emotions: tuple[str, ...],
    store: FeatureStore,
    pipeline: Pipeline,
) -> tuple[TrialData, int]:
    """The clips of a sweep in one feature space, read from the store into Ray's object store.

    Args:
        dimensions: 1 or 2, the space.
        clips: of the sweep.
        digests: of the clips' bytes, in the same order.
        twins: names of every two of them that are one take.
        emotions: names of the classes.
        store: holds the features of all of them.
        pipeline: that made them.

    Returns:
        The data, and the number of its clips: to be asked for by who must know that all went well.

    Raises:
        StoreError: an entry has gone since the extraction.
    """
    entries = (store.read(store.key(digest, pipeline.digest)) for digest in digests)
    matrix = join([stored_rows(entry, f"{dimensions}d", store) for entry in entries])
    return TrialData(matrix, clips, digests, emotions, twins), len(clips)


def stored_rows(entry: Entry | None, space: str, store: FeatureStore) -> Rows:
    """What a store that was just filled has of a clip in a space, "1d" or "2d".

    Raises:
        StoreError: the entry has gone since the extraction.
    """
    if entry is None:
        raise StoreError(f"{store.root} lost an entry since the extraction: run the same command again")
    return entry.features[space]
