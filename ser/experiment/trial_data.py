"""Clips and features of a sweep in one feature space, the input of its trials. C classes, n clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ser.audio import AudioFacts
from ser.corpora.base import Clip
from ser.features.dataset import FeatureMatrix, join_clips
from ser.features.duplicates import DuplicatePairs
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore


@dataclass(frozen=True)
class TrialData:
    """Clips and features of a sweep in one feature space.

    Attributes:
        matrix: features of all clips.
        clips: in the order of the matrix.
        facts: digest, length and peak of each clip, in the same order.
        emotions: names of the classes.
        duplicates: pairs of names of clips that are the same recording.
        votes: the listeners' majority votes as probabilities of the classes, (n, C), or None.
    """

    matrix: FeatureMatrix
    clips: tuple[Clip, ...]
    facts: tuple[AudioFacts, ...]
    emotions: tuple[str, ...]
    duplicates: DuplicatePairs = ()
    votes: NDArray[np.float32] | None = None

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Class of each clip, (n,)."""
        return np.array([self.emotions.index(clip.emotion) for clip in self.clips])


def load_trial_data(
    dimensions: int,
    clips: Sequence[Clip],
    digests: Sequence[str],
    *,
    duplicates: DuplicatePairs,
    emotions: tuple[str, ...],
    store: FeatureStore,
    pipeline: Pipeline,
    votes: NDArray[np.float32] | None,
) -> TrialData:
    """Read the features of clips from the store.

    Args:
        dimensions: 1 or 2, the feature space.
        clips: of the sweep.
        digests: digests of their bytes, in the same order.
        duplicates: pairs of names of clips that are the same recording.
        emotions: names of the classes.
        store: holds the features of all clips.
        pipeline: computed the features.
        votes: the listeners' majority votes as probabilities of the classes, (n, C), or None.

    Raises:
        UserError: an entry of the store is missing.
    """
    facts, rows = [], []
    for digest in digests:
        entry = store.load(digest, pipeline)
        facts.append(entry.facts)
        rows.append(entry.features[f"{dimensions}d"])
    return TrialData(join_clips(rows), tuple(clips), tuple(facts), emotions, duplicates, votes)
