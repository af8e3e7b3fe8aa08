"""Confidence intervals by speaker: the cluster bootstrap."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ser.evaluation.metrics import mean_of_present, recalls_per_class
from ser.evaluation.speaker_counts import Figure, Figures, SpeakerCounts, require_speakers

N_RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A figure and the ends of its confidence interval."""

    value: float
    low: float
    high: float


def interval(
    counts: SpeakerCounts,
    figure: Figure,
    *,
    n_resamples: int = N_RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Interval:
    """Mean of a figure over repeats, and its confidence interval over speakers.

    Speakers are drawn with replacement, each with all clips of every repeat and fold. For each draw the figure is
    computed for every repeat over its pooled speakers, and averaged over repeats. The interval ends at the
    (1 - confidence) / 2 and (1 + confidence) / 2 quantiles of the draws. The means of a draw exclude a class or a
    repeat of which it has no clip.

    Args:
        counts: of at least 2 speakers.
        figure: of (..., C, C) confusion matrices, such as `FIGURES["uar"]`.
        n_resamples: number of draws.
        confidence: in (0, 1).
        seed: of the draws; the same seed gives the same interval.

    Raises:
        UserError: fewer than two speakers.

    Source:
        Field and Welsh, Bootstrapping clustered data, J. R. Statist. Soc. B 69 (2007), section 3 (cluster bootstrap);
        Efron and Tibshirani, An introduction to the bootstrap (1993), section 13.3 (percentile interval).
    """
    require_speakers(counts)
    draws = mean_of_present(figure(counts.weight_speakers(draw_resamples(len(counts.speakers), n_resamples, seed))))
    low, high = quantiles(draws, confidence)
    return Interval(counts.figure(figure), float(low), float(high))


def recall_intervals(
    counts: SpeakerCounts, *, n_resamples: int = N_RESAMPLES, confidence: float = CONFIDENCE, seed: int = 0
) -> list[Interval]:
    """Recall of each class with its confidence interval over speakers; NaN for a class without clips.

    Args:
        counts: of at least 2 speakers.
        n_resamples: number of draws.
        confidence: in (0, 1).
        seed: of the draws, as in `interval`.

    Returns:
        C intervals, in the order of the classes.

    Raises:
        UserError: fewer than two speakers.
    """
    require_speakers(counts)
    values = mean_of_present(recalls_per_class(counts.confusions.sum(axis=1)).T)
    weights = draw_resamples(len(counts.speakers), n_resamples, seed)
    draws = mean_of_present(recalls_per_class(counts.weight_speakers(weights)).swapaxes(1, 2))
    ends = (quantiles(column, confidence) for column in draws.T)
    return [Interval(float(value), float(low), float(high)) for value, (low, high) in zip(values, ends, strict=True)]


@lru_cache(maxsize=32)
def draw_resamples(n_speakers: int, n_resamples: int, seed: int) -> NDArray[np.int64]:
    """Draw as many speakers as there are, with replacement, and count each speaker: (B, S), read-only.

    Cached, because drawing takes three times as long as everything that is computed from a draw.
    """
    chances = np.full(n_speakers, 1 / n_speakers)
    draws = np.random.default_rng(seed).multinomial(n_speakers, chances, size=n_resamples)
    draws.flags.writeable = False
    return draws


def quantiles(draws: Figures, confidence: float) -> Figures:
    """Ends of the central interval that holds the share `confidence` of the finite draws, (2,); NaN without any."""
    finite = draws[np.isfinite(draws)]
    if not finite.size:
        return np.full(2, np.nan)
    ends: Figures = np.quantile(finite, [(1 - confidence) / 2, (1 + confidence) / 2])
    return ends
