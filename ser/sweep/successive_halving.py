"""Asynchronous successive halving for one cell, which decides at each rung whether a trial continues.

Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020, section 3; the cutoff is
the quantile of all scores that have reached the rung so far, as in Ray Tune.
"""

from collections.abc import Iterator, Sequence


class Rungs:
    """Rungs of one cell: the epochs at which weaker trials stop.

    Args:
        grace: first rung, in epochs; no trial stops before it.
        max_epochs: no rung is set at or beyond it.
        reduction: one in `reduction` trials continues at each rung; the epoch of each rung is `reduction` times that of
            the one before.
    """

    def __init__(self, *, grace: int, max_epochs: int, reduction: int) -> None:
        self._reduction = reduction
        self._scores: dict[int, list[float]] = {
            milestone: [] for milestone in _list_milestones(grace, max_epochs, reduction)
        }

    @property
    def milestones(self) -> tuple[int, ...]:
        """Epochs of the rungs, ascending."""
        return tuple(self._scores)

    def record(self, *, epoch: int, score: float) -> bool:
        """Record the score of a trial at `epoch`, higher is better; True if the trial is to continue.

        A trial reports each epoch once, so each rung gets its score once.
        """
        if epoch not in self._scores:
            return True
        scores = self._scores[epoch]
        continues = not scores or score >= _cutoff(scores, self._reduction)
        scores.append(score)
        return continues


def _cutoff(scores: Sequence[float], reduction: int) -> float:
    """Quantile at 1 - 1 / reduction, linear between neighbours; integer positions keep equal scores equal."""
    ranked = sorted(scores)
    low, rest = divmod((len(ranked) - 1) * (reduction - 1), reduction)
    return ranked[low] if not rest else ranked[low] + (ranked[low + 1] - ranked[low]) * rest / reduction


def _list_milestones(grace: int, max_epochs: int, reduction: int) -> Iterator[int]:
    milestone = grace
    while milestone < max_epochs:
        yield milestone
        milestone *= reduction
