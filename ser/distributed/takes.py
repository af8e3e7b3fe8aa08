"""Clips that are one take, found in the features of a whole corpus by batched Ray tasks."""

from collections.abc import Sequence

import numpy as np
import ray
from numpy.typing import NDArray

from ser.corpora.base import Clip
from ser.distributed.loading import load_entry
from ser.distributed.tasks import get
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore
from ser.features.takes import fingerprint, same_takes

_CLIPS_PER_TASK = 512

Twins = tuple[tuple[str, str], ...]


def find_twins(clips: Sequence[Clip], digests: Sequence[str], store: FeatureStore, pipeline: Pipeline) -> Twins:
    """The names of every two clips that are one take. Ray must be running.

    Args:
        clips: to compare.
        digests: of their bytes, in the same order.
        store: holds the features of all of them.
        pipeline: that made them.

    Raises:
        StoreError: an entry has gone since the extraction.
    """
    batches = [digests[first : first + _CLIPS_PER_TASK] for first in range(0, len(digests), _CLIPS_PER_TASK)]
    tasks = [_fingerprints.remote(batch, store, pipeline) for batch in batches]
    pairs = same_takes(np.concatenate([get(task) for task in tasks])) if tasks else []
    return tuple((clips[one].name, clips[other].name) for one, other in pairs)


def superfluous(clips: Sequence[Clip], twins: Twins) -> dict[str, str]:
    """Name -> reason of the clips to leave out so that no take is there twice.

    Of two clips with different labels both, because which is right cannot be known; else the second.
    """
    emotions = {clip.name: clip.emotion for clip in clips}
    reasons: dict[str, str] = {}
    for one, other in twins:
        reasons[other] = f"the same take as {one} ({emotions[one]}), labelled {emotions[other]}"
        if emotions[one] != emotions[other]:
            reasons[one] = f"the same take as {other} ({emotions[other]}), labelled {emotions[one]}"
    return reasons


@ray.remote(num_cpus=1, max_retries=3)
def _fingerprints(digests: Sequence[str], store: FeatureStore, pipeline: Pipeline) -> NDArray[np.float16]:
    found = []
    for digest in digests:
        found.append(fingerprint(load_entry(digest, store, pipeline).features["2d"]))
    return np.stack(found)
