"""Selection of the trainings that count as repeats of one evaluation."""

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable
from collections.abc import Set as AbstractSet
from typing import TypeVar

_T = TypeVar("_T")


def keep_complete_seeds(
    trainings: Collection[_T],
    *,
    seed: Callable[[_T], Hashable],
    fold: Callable[[_T], Hashable],
    folds: AbstractSet[Hashable],
) -> list[_T]:
    """Keep the trainings whose seed was trained on every fold, because repeats must be evaluated on the same clips.

    Args:
        trainings: each with a seed and a fold.
        seed: returns the seed of a training.
        fold: returns the fold of a training.
        folds: all folds of the split.

    Example:
        >>> keep_complete_seeds(["0a", "0b", "1a"], seed=lambda t: t[0], fold=lambda t: t[1], folds={"a", "b"})
        ['0a', '0b']
    """
    by_seed: dict[Hashable, list[_T]] = defaultdict(list)
    for training in trainings:
        by_seed[seed(training)].append(training)
    complete = (group for group in by_seed.values() if {fold(training) for training in group} >= folds)
    return [training for group in complete for training in group]
