"""Is one network better than another? Paired by speaker, and corrected for the number of questions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ser.errors import UserError
from ser.evaluation.bootstrap import CONFIDENCE, N_RESAMPLES, Interval, quantiles, resamples
from ser.evaluation.metrics import mean_of_present
from ser.evaluation.speaker_counts import Figure, Figures, SpeakerCounts, require_speakers

ALPHA = 0.05
"""Below it a difference counts as real."""
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Comparison:
    """How much higher the first of two scored, and how often chance alone would give that.

    Attributes:
        difference: first minus second, with its interval over speakers.
        p_value: two-sided; not corrected, unless `correct_p_values` made it.
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

    If they did not, it would not matter which of them a speaker's predictions come from. So the predictions of each
    speaker, all repeats of it together, stay or are exchanged; p is the share of exchanges whose difference is at least
    as large as the one seen. All 2^S exchanges are tried where that is no more than `n_exchanges`, else as many at
    random, the one seen counted among them. The interval draws speakers as `interval` does, the same for both.

    Args:
        first: of at least 2 speakers.
        second: of the same clips: as many of each class of each speaker. A network with one repeat is compared with
            every repeat of the other.
        figure: of (..., C, C) confusion matrices, such as `FIGURES["uar"]`.
        n_resamples: draws.
        n_exchanges: exchanges at most; None for as many as draws.
        confidence: of the interval, in (0, 1).
        seed: of exchanges and draws.

    Raises:
        UserError: fewer than two speakers, other clips, or repeats that do not pair.

    Source:
        Noreen, Computer-intensive methods for testing hypotheses (1989), chapter 2 (approximate randomisation);
        Phipson and Smyth, Permutation p-values should never be zero (2010), for counting the one seen.
    """
    require_speakers(first)
    one, other = _paired(first, second)

    def difference(weights: NDArray[np.generic]) -> Figures:
        return mean_of_present(figure(one.weighted(weights)) - figure(other.weighted(weights)))

    n_speakers = len(one.speakers)
    seen = float(difference(np.ones((1, n_speakers)))[0])
    low, high = quantiles(difference(resamples(n_speakers, n_resamples, seed)), confidence)
    p_value = _p_value(one, other, figure, seen, n_exchanges or n_resamples, seed)
    return Comparison(Interval(seen, float(low), float(high)), p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for their number: whoever calls those below a bound real errs at most so often in all.

    The k-th smallest of m is multiplied by m - k + 1, then raised to the largest before it, at most 1.

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
    """The comparisons with p values corrected for their number, in the same order."""
    adjusted = holm([comparison.p_value for comparison in comparisons])
    return [replace(comparison, p_value=p) for comparison, p in zip(comparisons, adjusted, strict=True)]


def same_clips(first: SpeakerCounts, second: SpeakerCounts) -> bool:
    """Whether both have as many clips of each class of each speaker in each repeat."""
    if first.speakers != second.speakers or first.confusions.shape != second.confusions.shape:
        return False
    return bool((first.confusions.sum(axis=3) == second.confusions.sum(axis=3)).all())


def _paired(first: SpeakerCounts, second: SpeakerCounts) -> tuple[SpeakerCounts, SpeakerCounts]:
    """Both with as many repeats."""
    n_repeats = max(len(first.confusions), len(second.confusions))
    for counts in (first, second):
        if len(counts.confusions) not in (1, n_repeats):
            raise UserError(
                f"{len(first.confusions)} and {len(second.confusions)} repeats do not pair: give both the same seeds, "
                "or one of them a single one"
            )
    one, other = (
        replace(counts, confusions=np.broadcast_to(counts.confusions, (n_repeats, *counts.confusions.shape[1:])))
        for counts in (first, second)
    )
    if not same_clips(one, other):
        raise UserError(
            "the two were not evaluated on the same clips: compare predictions of the same split, folds and part"
        )
    return one, other


def _p_value(
    one: SpeakerCounts, other: SpeakerCounts, figure: Figure, seen: float, n_exchanges: int, seed: int
) -> float:
    n_speakers = len(one.speakers)
    exact = 2**n_speakers <= n_exchanges
    if exact:
        kept = np.array(list(product((0, 1), repeat=n_speakers)))
    else:
        kept = np.random.default_rng(seed).integers(0, 2, size=(n_exchanges, n_speakers))
    exchanged = 1 - kept
    here = mean_of_present(figure(one.weighted(kept) + other.weighted(exchanged)))
    there = mean_of_present(figure(other.weighted(kept) + one.weighted(exchanged)))
    n_as_large = int((np.abs(here - there) >= abs(seen) - _ROUNDING).sum())
    return n_as_large / len(kept) if exact else (n_as_large + 1) / (len(kept) + 1)
