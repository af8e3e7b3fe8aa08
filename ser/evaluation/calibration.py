"""Do probabilities mean what they say? n clips, C classes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.errors import UserError

N_BINS = 15

Probabilities = NDArray[np.floating]
_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Bin:
    """Clips whose highest probability lies in (low, high]: how many, their mean probability, and the share correct."""

    low: float
    high: float
    n_clips: int
    confidence: float
    accuracy: float


def reliability_curve(probabilities: Probabilities, truth: NDArray[np.integer], *, n_bins: int = N_BINS) -> list[Bin]:
    """How often the likeliest class is right, by how likely it was held; bins of equal width, without the empty ones.

    Args:
        probabilities: (n, C), rows sum to 1.
        truth: class of each clip, (n,), whole numbers in [0, C).
        n_bins: equal parts of [0, 1]; a probability on an edge counts to the lower one.

    Raises:
        UserError: no clip, other lengths, or rows that are no probabilities.

    Source:
        Guo et al., On calibration of modern neural networks (2017), section 2.
    """
    _check(probabilities, truth)
    confidence, hits = probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == truth
    places = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)
    curve = []
    for place in np.unique(places):
        inside = places == place
        curve.append(
            Bin(
                low=float(place / n_bins),
                high=float((place + 1) / n_bins),
                n_clips=int(inside.sum()),
                confidence=float(confidence[inside].mean()),
                accuracy=float(hits[inside].mean()),
            )
        )
    return curve


def expected_calibration_error(
    probabilities: Probabilities, truth: NDArray[np.integer], *, n_bins: int = N_BINS
) -> float:
    """Mean distance of the probability of the likeliest class from the share correct, in [0, 1]; 0 is perfect.

    ECE = sum_b n_b / n |accuracy_b - confidence_b| over `n_bins` bins of equal width.

    Raises:
        UserError: as `reliability_curve`.

    Example:
        >>> round(expected_calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1])), 3)
        0.4

    Source:
        Naeini, Cooper and Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning (2015).
    """
    curve = reliability_curve(probabilities, truth, n_bins=n_bins)
    return sum(part.n_clips * abs(part.accuracy - part.confidence) for part in curve) / len(truth)


def brier_score(probabilities: Probabilities, truth: NDArray[np.integer]) -> float:
    """Mean squared distance from the truth as probabilities of 0 and 1, sum over classes, in [0, 2]; 0 is perfect.

    Raises:
        UserError: as `reliability_curve`.

    Example:
        >>> round(brier_score(np.array([[0.8, 0.2]]), np.array([0])), 3)
        0.08

    Source:
        Brier, Verification of forecasts expressed in terms of probability (1950).
    """
    _check(probabilities, truth)
    certain = np.eye(probabilities.shape[1])[truth]
    return float(((probabilities - certain) ** 2).sum(axis=1).mean())


def _check(probabilities: Probabilities, truth: NDArray[np.integer]) -> None:
    if probabilities.ndim != 2 or truth.shape != probabilities.shape[:1] or not len(truth):
        raise UserError(
            f"probabilities must be (n, C) and truth (n,) with n > 0, got {probabilities.shape} and {truth.shape}"
        )
    if probabilities.min() < 0 or np.abs(probabilities.sum(axis=1) - 1).max() > _SUM_TOLERANCE:
        raise UserError("each row of probabilities must be positive and sum to 1")
