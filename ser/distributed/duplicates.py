"""Clips that are one take, found in the features of a whole corpus by batched Ray tasks."""

from collections.abc import Sequence

import numpy as np
import ray
from numpy.typing import NDArray

from ser.corpora.base import Clip
from ser.distributed.feature_loading import stored_rows
from ser.distributed.tasks import get
from ser.features.duplicates import Twins, fingerprint, same_takes
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore

_CLIPS_PER_TASK = 512


def find_twins(clips: Sequence[Clip], digests: Sequence[str], store: FeatureStore, pipeline: Pipeline) -> Twins:
    """The names of every two clips that are one take. Ray must be running.

    Args:
        clips: to compare.
        digests: of their bytes, in the same order.
        store: holds the features of all of them.
        pipeline: that made them.

    Raises:
        UserError: an entry has gone since the extraction.
    """
    batches = [digests[first : first + _CLIPS_PER_TASK] for first in range(0, len(digests), _CLIPS_PER_TASK)]
    tasks = [_fingerprints.remote(batch, store, pipeline) for batch in batches]
    pairs = same_takes(np.concatenate([get(task) for task in tasks])) if tasks else []
    return tuple((clips[one].name, clips[other].name) for one, other in pairs)


@ray.remote(num_cpus=1, max_retries=3)
def _fingerprints(digests: Sequence[str], store: FeatureStore, pipeline: Pipeline) -> NDArray[np.float16]:
    found = []
    for digest in digests:
        found.append(fingerprint(stored_rows(store.read(store.key(digest, pipeline.digest)), "2d", store)))
    return np.stack(found)
