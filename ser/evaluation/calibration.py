"""Calibration: agreement of predicted probabilities with observed frequencies. n clips, C classes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.errors import UserError

N_BINS = 15

Probabilities = NDArray[np.floating]
_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Bin:
    """Clips whose highest probability lies in (low, high]: their number, mean probability and accuracy."""

    low: float
    high: float
    n_clips: int
    confidence: float
    accuracy: float


def reliability_curve(probabilities: Probabilities, truth: NDArray[np.integer], *, n_bins: int = N_BINS) -> list[Bin]:
    """Accuracy of the most probable class by its probability, in bins of equal width; empty bins are omitted.

    Args:
        probabilities: (n, C), rows sum to 1.
        truth: class of each clip, (n,), whole numbers in [0, C).
        n_bins: equal parts of [0, 1]; a probability on an edge belongs to the lower one.

    Returns:
        Bins with at least one clip, by ascending probability.

    Raises:
        UserError: no clip, different lengths, or rows that are not probabilities.

    Source:
        Guo et al., On calibration of modern neural networks (2017), section 2.
    """
    _check_probabilities(probabilities, truth)
    confidence, hits = probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == truth
    bins = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)
    curve = []
    for number in np.unique(bins):
        inside = bins == number
        curve.append(
            Bin(
                low=float(number / n_bins),
                high=float((number + 1) / n_bins),
                n_clips=int(inside.sum()),
                confidence=float(confidence[inside].mean()),
                accuracy=float(hits[inside].mean()),
            )
        )
    return curve


def expected_calibration_error(
    probabilities: Probabilities, truth: NDArray[np.integer], *, n_bins: int = N_BINS
) -> float:
    """Expected calibration error, in [0, 1]; 0 is perfect.

    ECE = sum_b n_b / n |accuracy_b - confidence_b| over `n_bins` bins of equal width, where confidence_b is the mean
    probability of the most probable class.

    Args:
        probabilities: (n, C), rows sum to 1.
        truth: class of each clip, (n,), whole numbers in [0, C).
        n_bins: equal parts of [0, 1].

    Raises:
        UserError: as `reliability_curve`.

    Example:
        >>> round(expected_calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1])), 3)
        0.4

    Source:
        Naeini, Cooper and Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning (2015).
    """
    curve = reliability_curve(probabilities, truth, n_bins=n_bins)
    return sum(each.n_clips * abs(each.accuracy - each.confidence) for each in curve) / len(truth)


def brier_score(probabilities: Probabilities, truth: NDArray[np.integer]) -> float:
    """Brier score: mean squared distance of the probabilities from 0 and 1, in [0, 2]; 0 is perfect.

    The squares are summed over classes, and averaged over clips.

    Args:
        probabilities: (n, C), rows sum to 1.
        truth: class of each clip, (n,), whole numbers in [0, C).

    Raises:
        UserError: as `reliability_curve`.

    Example:
        >>> round(brier_score(np.array([[0.8, 0.2]]), np.array([0])), 3)
        0.08

    Source:
        Brier, Verification of forecasts expressed in terms of probability (1950).
    """
    _check_probabilities(probabilities, truth)
    certain = np.eye(probabilities.shape[1])[truth]
    return float(((probabilities - certain) ** 2).sum(axis=1).mean())


def _check_probabilities(probabilities: Probabilities, truth: NDArray[np.integer]) -> None:
    if probabilities.ndim != 2 or truth.shape != probabilities.shape[:1] or not len(truth):
        raise UserError(
            f"probabilities must be (n, C) and truth (n,) with n > 0, got {probabilities.shape} and {truth.shape}"
        )
    if probabilities.min() < 0 or np.abs(probabilities.sum(axis=1) - 1).max() > _SUM_TOLERANCE:
        raise UserError("each row of probabilities must be positive and sum to 1")
