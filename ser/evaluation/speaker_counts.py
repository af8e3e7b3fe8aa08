"""Confusion counts kept apart by speaker: what intervals and tests need, small enough to resample thousands of times.

R repeats (seeds), S speakers, C classes, B resamples.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser.errors import UserError
from ser.evaluation.metrics import accuracies, confusion_matrix, macro_f1s, mean_of_present, unweighted_average_recalls

Figures = NDArray[np.float64]
Figure = Callable[[NDArray[np.generic]], Figures]

FIGURES: dict[str, Figure] = {
    "uar": unweighted_average_recalls,
    "accuracy": accuracies,
    "macro_f1": macro_f1s,
}


@dataclass(frozen=True)
class SpeakerCounts:
    """Who was taken for what, by repeat and speaker.

    Attributes:
        speakers: S names, ascending.
        confusions: (R, S, C, C) int64, rows are truth, columns prediction. A repeat is what one seed predicted, its
            folds together.
    """

    speakers: tuple[str, ...]
    confusions: NDArray[np.int64]

    @property
    def n_clips(self) -> tuple[int, ...]:
        """Predictions of each repeat, (R,): as many of each, unless the split was drawn anew for it."""
        return tuple(map(int, self.confusions.sum(axis=(1, 2, 3))))

    def figure(self, figure: Figure) -> float:
        """Mean over repeats of the figure of all speakers together."""
        return float(mean_of_present(figure(self.confusions.sum(axis=1))))

    def spread(self, figure: Figure) -> float:
        """Standard deviation of the figure between repeats (n - 1), NaN of a single one: what the seed alone does."""
        values = figure(self.confusions.sum(axis=1))
        return float(values.std(ddof=1)) if len(values) > 1 else float("nan")

    def weighted(self, weights: NDArray[np.generic]) -> NDArray[np.float64]:
        """Confusion matrices of weighted speakers: (B, S) weights give (B, R, C, C)."""
        n_repeats, n_speakers, n_classes, _ = self.confusions.shape
        rows = self.confusions.swapaxes(0, 1).reshape(n_speakers, -1).astype(np.float64)
        return (weights.astype(np.float64) @ rows).reshape(-1, n_repeats, n_classes, n_classes)


def speaker_counts(
    speakers: Sequence[str],
    truth: ArrayLike,
    prediction: ArrayLike,
    *,
    n_classes: int,
    repeats: Sequence[Hashable] | None = None,
) -> SpeakerCounts:
    """Count predictions by repeat and speaker.

    Args:
        speakers: who speaks in each clip, (n,).
        truth: class of each clip, (n,), whole numbers in [0, C).
        prediction: class it was taken for, (n,), whole numbers in [0, C).
        n_classes: C.
        repeats: seed of the training that predicted, (n,); None where there was one.

    Raises:
        UserError: no clip, or rows of different lengths.
        MetricError: a class that is none.

    Example:
        >>> speaker_counts(["a", "b", "b"], [0, 0, 1], [0, 1, 1], n_classes=2).confusions.tolist()
        [[[[1, 0], [0, 0]], [[0, 1], [0, 1]]]]
    """
    seeds = [0] * len(speakers) if repeats is None else list(repeats)
    rows, columns = np.asarray(truth), np.asarray(prediction)
    lengths = [len(speakers), len(rows), len(columns), len(seeds)]
    if len(set(lengths)) > 1 or not lengths[0]:
        raise UserError(f"speakers, truth, prediction and repeats must be equally long and hold a clip, got {lengths}")
    names = sorted(set(speakers))
    order = list(dict.fromkeys(seeds))
    repeat, speaker = np.array([order.index(seed) for seed in seeds]), np.searchsorted(names, speakers)
    confusion_matrix(rows, columns, n_classes=n_classes)  # refuses what is no class
    counts = np.zeros((len(order), len(names), n_classes, n_classes), dtype=np.int64)
    np.add.at(counts, (repeat, speaker, rows, columns), 1)
    return SpeakerCounts(tuple(names), counts)


def require_speakers(counts: SpeakerCounts) -> None:
    """Refuse what a single speaker cannot tell.

    Raises:
        UserError: fewer than two speakers.
    """
    if len(counts.speakers) < 2:
        raise UserError(
            f"an interval by speaker needs at least 2 speakers, got {len(counts.speakers)}: evaluate on more of them"
        )
