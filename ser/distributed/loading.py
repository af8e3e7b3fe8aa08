"""Features of a sweep's clips, from the store into memory that all trials of a machine share."""

from dataclasses import replace

import numpy as np
import ray
from numpy.typing import NDArray

from ser.corpora.base import Clip
from ser.features.dataset import join
from ser.features.entry import Entry
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore, StoreError
from ser.trial import TrialData


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
    votes: NDArray[np.float32] | None,
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
        votes: what most listeners took each of them for, where that is known.

    Returns:
        The data, and the number of its clips: to be asked for by who must know that all went well.

    Raises:
        StoreError: an entry has gone since the extraction.
    """
    found, rows = [], []
    for digest in digests:
        entry = load_entry(digest, store, pipeline)
        found.append(entry.facts)
        rows.append(entry.features[f"{dimensions}d"])
    return TrialData(join(rows), clips, tuple(found), emotions, twins, votes), len(clips)


def load_entry(digest: str, store: FeatureStore, pipeline: Pipeline) -> Entry:
    """Facts and features of one clip, from a store that was just filled.

    Raises:
        StoreError: the entry has gone since the extraction, or cannot be read.
    """
    entry = store.read(store.key(digest, pipeline.digest))
    if entry is None:
        raise StoreError(f"{store.root} lost an entry since the extraction: run the same command again")
    return replace(entry, features=pipeline.unpack(entry.features))
