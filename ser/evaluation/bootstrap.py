"""Intervals by speaker: the cluster bootstrap."""

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
    """A figure and the ends of its interval."""

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
    """The mean over repeats of a figure, and its interval over speakers.

    Speakers are drawn with replacement, each with all of its clips in every repeat and fold. Of each draw the figure is
    taken of every repeat, its speakers pooled, and averaged over repeats; the interval is from the (1 - confidence) / 2
    to the (1 + confidence) / 2 quantile of the draws. What a draw has no clip of, a class or a whole repeat, is left
    out of its means.

    Args:
        counts: of at least 2 speakers.
        figure: of (..., C, C) confusion matrices, such as `FIGURES["uar"]`.
        n_resamples: draws.
        confidence: in (0, 1).
        seed: of the draws: the same gives the same interval.

    Raises:
        UserError: fewer than two speakers.

    Source:
        Field and Welsh, Bootstrapping clustered data, J. R. Statist. Soc. B 69 (2007), section 3 (cluster bootstrap);
        Efron and Tibshirani, An introduction to the bootstrap (1993), section 13.3 (percentile interval).
    """
    require_speakers(counts)
    draws = mean_of_present(figure(counts.weighted(resamples(len(counts.speakers), n_resamples, seed))))
    low, high = quantiles(draws, confidence)
    return Interval(counts.figure(figure), float(low), float(high))


def recall_intervals(
    counts: SpeakerCounts, *, n_resamples: int = N_RESAMPLES, confidence: float = CONFIDENCE, seed: int = 0
) -> list[Interval]:
    """The recall of each class with its interval over speakers, as `interval` takes it; NaN of a class without clips.

    Raises:
        UserError: fewer than two speakers.
    """
    require_speakers(counts)
    values = mean_of_present(recalls_per_class(counts.confusions.sum(axis=1)).T)
    weights = resamples(len(counts.speakers), n_resamples, seed)
    draws = mean_of_present(recalls_per_class(counts.weighted(weights)).swapaxes(1, 2))
    ends = (quantiles(column, confidence) for column in draws.T)
    return [Interval(float(value), float(low), float(high)) for value, (low, high) in zip(values, ends, strict=True)]


@lru_cache(maxsize=32)
def resamples(n_speakers: int, n_resamples: int, seed: int) -> NDArray[np.int64]:
    """How often each speaker is in each draw of as many with replacement, (B, S), read-only.

    Kept, because drawing takes three times as long as all that is done with a draw.
    """
    chances = np.full(n_speakers, 1 / n_speakers)
    draws = np.random.default_rng(seed).multinomial(n_speakers, chances, size=n_resamples)
    draws.flags.writeable = False
    return draws


def quantiles(draws: Figures, confidence: float) -> Figures:
    """The two ends between which the share `confidence` of the draws lies; NaN where no draw has a figure."""
    drawn = draws[np.isfinite(draws)]
    if not drawn.size:
        return np.full(2, np.nan)
    ends: Figures = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return ends
