"""Features of a sweep's clips, from the store into memory that all trials of a machine share."""

import numpy as np
import ray
from numpy.typing import NDArray

from ser.corpora.base import Clip
from ser.errors import UserError
from ser.experiment.trial import TrialData
from ser.features.base import Rows
from ser.features.dataset import join
from ser.features.entry import Entry
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore


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
        UserError: an entry has gone since the extraction.
    """
    found, rows = [], []
    for digest in digests:
        entry = _whole(store.read(store.key(digest, pipeline.digest)), store)
        found.append(entry.facts)
        rows.append(entry.features[f"{dimensions}d"])
    return TrialData(join(rows), clips, tuple(found), emotions, twins, votes), len(clips)


def stored_rows(entry: Entry | None, space: str, store: FeatureStore) -> Rows:
    """What a store that was just filled has of a clip in a space, "1d" or "2d".

    Raises:
        UserError: the entry has gone since the extraction.
    """
    return _whole(entry, store).features[space]


def _whole(entry: Entry | None, store: FeatureStore) -> Entry:
    if entry is None:
        raise UserError(f"{store.root} lost an entry since the extraction: run the same command again")
    return entry
