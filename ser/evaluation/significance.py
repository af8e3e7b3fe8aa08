"""Paired permutation test over speakers, and correction of p values for multiple comparisons."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ser.errors import UserError
from ser.evaluation.bootstrap import CONFIDENCE, N_RESAMPLES, Interval, draw_resamples, quantiles
from ser.evaluation.metrics import mean_of_present
from ser.evaluation.speaker_counts import Figure, Figures, SpeakerCounts, require_speakers

ALPHA = 0.05
"""Level of significance."""
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Comparison:
    """Difference between two networks, and its significance.

    Attributes:
        difference: first minus second, with its confidence interval over speakers.
        p_value: two-sided; corrected for multiple comparisons by `correct_p_values` alone.
    """

    difference: Interval
    p_value: float


def compare(
    first: SpeakerCounts,
    second: SpeakerCounts,
    figure: Figure,
    *,
    n_resamples: int = N_RESAMPLES,
    n_exchanges: int | None = None,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Comparison:
    """Test whether two networks differ on the same clips.

    Under the null hypothesis it does not matter from which network the predictions for a speaker come. So the
    predictions for each speaker, in all repeats together, are exchanged or not. The p value is the share of exchanges
    whose difference is at least as large as the observed one. All 2^S exchanges are enumerated if they are at most
    `n_exchanges`; otherwise `n_exchanges` random ones are drawn, and the observed difference is counted among them. The
    interval is the bootstrap of `interval`, with the same draws for both networks.

    Args:
        first: of at least 2 speakers.
        second: of the same clips, that is, of equally many of each class and speaker. A network with one repeat is
            compared with every repeat of the other.
        figure: of (..., C, C) confusion matrices, such as `FIGURES["uar"]`.
        n_resamples: number of draws for the interval.
        n_exchanges: largest number of exchanges; None for `n_resamples`.
        confidence: of the interval, in (0, 1).
        seed: of exchanges and draws.

    Raises:
        UserError: fewer than two speakers, different clips, or repeats that cannot be paired.

    Source:
        Noreen, Computer-intensive methods for testing hypotheses (1989), chapter 2 (approximate randomisation);
        Phipson and Smyth, Permutation p-values should never be zero (2010), for counting the observed difference.
    """
    require_speakers(first)
    one, other = _pair_repeats(first, second)

    def difference(weights: NDArray[np.generic]) -> Figures:
        return mean_of_present(figure(one.weight_speakers(weights)) - figure(other.weight_speakers(weights)))

    n_speakers = len(one.speakers)
    observed = float(difference(np.ones((1, n_speakers)))[0])
    low, high = quantiles(difference(draw_resamples(n_speakers, n_resamples, seed)), confidence)
    p_value = _compute_p_value(one, other, figure, observed, n_exchanges or n_resamples, seed)
    return Comparison(Interval(observed, float(low), float(high)), p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction of p values, which bounds the probability of at least one false positive among them.

    The k-th smallest of m is multiplied by m - k + 1, then raised to the largest corrected value before it, at most 1.

    Example:
        >>> [round(p, 4) for p in holm([0.01, 0.04, 0.03, 0.005])]
        [0.03, 0.06, 0.06, 0.02]

    Source:
        Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6 (1979).
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * factors))
    return [float(value) for value in adjusted]


def correct_p_values(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Replace the p values of comparisons by those that `holm` corrects, in the same order."""
    adjusted = holm([comparison.p_value for comparison in comparisons])
    return [replace(comparison, p_value=p) for comparison, p in zip(comparisons, adjusted, strict=True)]


def have_same_clips(first: SpeakerCounts, second: SpeakerCounts) -> bool:
    """Compare the numbers of clips of each class, speaker and repeat; True if all are equal."""
    if first.speakers != second.speakers or first.confusions.shape != second.confusions.shape:
        return False
    return bool((first.confusions.sum(axis=3) == second.confusions.sum(axis=3)).all())


def _pair_repeats(first: SpeakerCounts, second: SpeakerCounts) -> tuple[SpeakerCounts, SpeakerCounts]:
    """Both counts, a single repeat being repeated to match the other."""
    n_repeats = max(len(first.confusions), len(second.confusions))
    for counts in (first, second):
        if len(counts.confusions) not in (1, n_repeats):
            raise UserError(
                f"{len(first.confusions)} and {len(second.confusions)} repeats cannot be paired",
                "give both the same seeds, or one of them a single seed",
            )
    one, other = (
        replace(counts, confusions=np.broadcast_to(counts.confusions, (n_repeats, *counts.confusions.shape[1:])))
        for counts in (first, second)
    )
    if not have_same_clips(one, other):
        raise UserError(
            "the two networks were not evaluated on the same clips",
            "compare predictions of the same split, folds and part",
        )
    return one, other


def _compute_p_value(
    one: SpeakerCounts, other: SpeakerCounts, figure: Figure, observed: float, n_exchanges: int, seed: int
) -> float:
    n_speakers = len(one.speakers)
    exact = 2**n_speakers <= n_exchanges
    if exact:
        kept = np.array(list(product((0, 1), repeat=n_speakers)))
    else:
        kept = np.random.default_rng(seed).integers(0, 2, size=(n_exchanges, n_speakers))
    exchanged = 1 - kept
    here = mean_of_present(figure(one.weight_speakers(kept) + other.weight_speakers(exchanged)))
    there = mean_of_present(figure(other.weight_speakers(kept) + one.weight_speakers(exchanged)))
    n_as_large = int((np.abs(here - there) >= abs(observed) - _ROUNDING).sum())
    return n_as_large / len(kept) if exact else (n_as_large + 1) / (len(kept) + 1)
