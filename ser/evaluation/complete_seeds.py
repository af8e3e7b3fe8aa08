"""Which trainings count as repeats of one evaluation."""

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
    """The trainings of the seeds that were trained on every fold: repeats must be of the same clips.

    Args:
        trainings: each of a seed and a fold.
        seed: of a training.
        fold: of a training.
        folds: all that there are.

    Example:
        >>> whole_repeats(["0a", "0b", "1a"], seed=lambda t: t[0], fold=lambda t: t[1], folds={"a", "b"})
        ['0a', '0b']
    """
    of_seed: dict[Hashable, list[_T]] = defaultdict(list)
    for training in trainings:
        of_seed[seed(training)].append(training)
    whole = (same for same in of_seed.values() if {fold(training) for training in same} >= folds)
    return [training for same in whole for training in same]
