"""Asynchronous successive halving for one cell: which trials go on past a rung.

Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020, section 3; the cut is at the
quantile of all that reached the rung so far, as Ray Tune has it.
"""

from collections.abc import Iterator, Sequence


class Rungs:
    """The rungs of one cell: epochs at which the weaker trials stop.

    Args:
        grace: first rung, in epochs; no trial stops before it.
        max_epochs: no rung is set at or beyond it.
        reduction: one in `reduction` trials goes on at each rung; the rungs lie a factor `reduction` apart.
    """

    def __init__(self, *, grace: int, max_epochs: int, reduction: int) -> None:
        self._reduction = reduction
        self._scores: dict[int, list[float]] = {
            milestone: [] for milestone in _milestones(grace, max_epochs, reduction)
        }

    @property
    def milestones(self) -> tuple[int, ...]:
        """The epochs of the rungs."""
        return tuple(self._scores)

    def record(self, *, epoch: int, score: float) -> bool:
        """File the score of a trial at `epoch`; True if the trial is to go on.

        A trial reports each epoch once, so a rung hears each trial once.
        """
        if epoch not in self._scores:
            return True
        scores = self._scores[epoch]
        goes_on = not scores or score >= _cutoff(scores, self._reduction)
        scores.append(score)
        return goes_on


def _cutoff(scores: Sequence[float], reduction: int) -> float:
    """The (1 - 1 / reduction) quantile, linear between neighbours, its place in whole numbers: equals stay equal."""
    ranked = sorted(scores)
    low, rest = divmod((len(ranked) - 1) * (reduction - 1), reduction)
    return ranked[low] if not rest else ranked[low] + (ranked[low + 1] - ranked[low]) * rest / reduction


def _milestones(grace: int, max_epochs: int, reduction: int) -> Iterator[int]:
    milestone = grace
    while milestone < max_epochs:
        yield milestone
        milestone *= reduction
