"""Confusion matrices by speaker, for intervals and tests; small enough to resample thousands of times.

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
    """Confusion matrices by repeat and speaker.

    Attributes:
        speakers: S names, ascending.
        confusions: (R, S, C, C) int64, rows are truth, columns predictions. A repeat holds the predictions of one seed,
            its folds together.
    """

    speakers: tuple[str, ...]
    confusions: NDArray[np.int64]

    @property
    def n_clips(self) -> tuple[int, ...]:
        """Number of predictions of each repeat, (R,); they are equal, unless the split was re-drawn for each seed."""
        return tuple(map(int, self.confusions.sum(axis=(1, 2, 3))))

    def figure(self, figure: Figure) -> float:
        """Mean over repeats of a figure of all speakers together."""
        return float(mean_of_present(figure(self.confusions.sum(axis=1))))

    def spread(self, figure: Figure) -> float:
        """Standard deviation of a figure between repeats (n - 1), the effect of the seed; NaN for a single repeat."""
        values = figure(self.confusions.sum(axis=1))
        return float(values.std(ddof=1)) if len(values) > 1 else float("nan")

    def weight_speakers(self, weights: NDArray[np.generic]) -> NDArray[np.float64]:
        """Sum of confusion matrices over weighted speakers: (B, S) weights give (B, R, C, C)."""
        n_repeats, n_speakers, n_classes, _ = self.confusions.shape
        rows = self.confusions.swapaxes(0, 1).reshape(n_speakers, -1).astype(np.float64)
        return (weights.astype(np.float64) @ rows).reshape(-1, n_repeats, n_classes, n_classes)


def count_by_speaker(
    speakers: Sequence[str],
    truth: ArrayLike,
    prediction: ArrayLike,
    *,
    n_classes: int,
    repeats: Sequence[Hashable] | None = None,
) -> SpeakerCounts:
    """Count predictions by repeat and speaker.

    Args:
        speakers: speaker of each clip, (n,).
        truth: class of each clip, (n,), whole numbers in [0, C).
        prediction: predicted class of each clip, (n,), whole numbers in [0, C).
        n_classes: C.
        repeats: seed of the training that predicted, (n,); None for a single training.

    Raises:
        UserError: no clip, or rows of different lengths.
        MetricError: a class that is not a whole number in [0, C).

    Example:
        >>> count_by_speaker(["a", "b", "b"], [0, 0, 1], [0, 1, 1], n_classes=2).confusions.tolist()
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
    # For its checks of the classes.
    confusion_matrix(rows, columns, n_classes=n_classes)
    counts = np.zeros((len(order), len(names), n_classes, n_classes), dtype=np.int64)
    np.add.at(counts, (repeat, speaker, rows, columns), 1)
    return SpeakerCounts(tuple(names), counts)


def require_speakers(counts: SpeakerCounts) -> None:
    """Check that there are enough speakers for an interval or a test.

    Raises:
        UserError: fewer than two speakers.
    """
    if len(counts.speakers) < 2:
        raise UserError(
            f"an interval by speaker needs at least 2 speakers, got {len(counts.speakers)}", "evaluate on more speakers"
        )
