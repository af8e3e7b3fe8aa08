"""Which settings mattered: what a forest that knows them all loses when it is told one of them wrongly."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold

from ser.settings.ranges import Value

FEWEST_TRIALS = 20
_N_FOLDS, _N_TREES, _N_PERMUTATIONS = 5, 100, 10


@dataclass(frozen=True)
class Importance:
    """How much of the spread between trials of one network is explained, and how much of that hangs on each setting.

    Attributes:
        explained: R² on trials that the forest has not seen; near or below 0 nothing is known.
        lost: by setting, how much of it is lost when the setting is exchanged among those trials.
    """

    explained: float
    lost: dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """A trial of the search: its cell, the settings that were searched, and its best validation UAR."""

    cell: str
    searched: dict[str, Value]
    score: float


def importance(outcomes: Sequence[Outcome], *, seed: int = 0) -> Importance | None:
    """The importance of every searched setting, or None where fewer than `FEWEST_TRIALS` trials say too little.

    The mean of each cell is taken off first, so that what is explained is the difference between trials of one
    network. A setting that only some cells have is exchanged among their trials alone.

    Source:
        Breiman, Random forests, Machine Learning 45 (2001), section 10, on unseen trials (five folds) instead of
        those out of the bag.
    """
    if len(outcomes) < FEWEST_TRIALS:
        return None
    names = sorted({name for outcome in outcomes for name in outcome.searched})
    settings = np.column_stack([_numbers([outcome.searched.get(name) for outcome in outcomes]) for name in names])
    scores = _within_cells(outcomes)
    rng = np.random.default_rng(seed)
    told: NDArray[np.float64] = np.empty(len(scores))
    misled = np.empty((len(names), _N_PERMUTATIONS, len(scores)))
    for train, unseen in KFold(_N_FOLDS, shuffle=True, random_state=seed).split(settings):
        forest = RandomForestRegressor(_N_TREES, min_samples_leaf=2, random_state=seed)
        forest.fit(settings[train], scores[train])
        told[unseen] = forest.predict(settings[unseen])
        for at in range(len(names)):
            wrong = [_exchanged(settings[unseen], at, rng) for _ in range(_N_PERMUTATIONS)]
            misled[at][:, unseen] = forest.predict(np.concatenate(wrong)).reshape(_N_PERMUTATIONS, -1)
    explained = float(r2_score(scores, told))
    lost = {
        name: explained - float(np.mean([r2_score(scores, row) for row in misled[at]])) for at, name in enumerate(names)
    }
    return Importance(explained, dict(sorted(lost.items(), key=lambda item: -item[1])))


def _numbers(values: Sequence[Value | None]) -> NDArray[np.float64]:
    """A setting as numbers whose order a tree can cut; NaN where a cell does not have it."""
    there = [value for value in values if value is not None]
    numeric = all(isinstance(value, int | float) for value in there)
    order = sorted(set(there)) if numeric else sorted(set(map(str, there)))
    places = {value: place for place, value in enumerate(order)}
    return np.array([np.nan if v is None else places[v if numeric else str(v)] for v in values], dtype=np.float64)


def _within_cells(outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    cells = np.array([outcome.cell for outcome in outcomes])
    scores = np.array([outcome.score for outcome in outcomes])
    for cell in np.unique(cells):
        scores[cells == cell] -= scores[cells == cell].mean()
    return scores


def _exchanged(settings: NDArray[np.float64], at: int, rng: np.random.Generator) -> NDArray[np.float64]:
    changed = settings.copy()
    having = np.flatnonzero(np.isfinite(settings[:, at]))
    changed[having, at] = settings[rng.permutation(having), at]
    return changed
