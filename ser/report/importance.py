"""Permutation importance of the searched settings, from a random forest that predicts the validation UAR."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold

from ser.settings.ranges import Value

FEWEST_TRIALS = 20
"""Fewest trials that an estimate is made from."""

_N_FOLDS, _N_TREES, _N_PERMUTATIONS = 5, 100, 10


@dataclass(frozen=True)
class Importance:
    """Explained variance of the validation UAR between trials of one network, and the share of each setting.

    Attributes:
        explained: R² on trials that the forest was not fitted to; near or below 0 nothing is explained.
        loss_by_setting: decrease of this R² when the setting is permuted among those trials, largest first.
    """

    explained: float
    loss_by_setting: dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """Trial of the search.

    Attributes:
        cell: architecture and dimensionality.
        searched: searched settings by name.
        score: best validation UAR in [0, 1].
    """

    cell: str
    searched: dict[str, Value]
    score: float


def estimate_importance(outcomes: Sequence[Outcome], *, seed: int = 0) -> Importance | None:
    """Estimate the importance of every searched setting; None for fewer than `FEWEST_TRIALS` trials.

    The mean of each cell is subtracted first, so that the explained variance is that between trials of one network. A
    setting that only some cells have is permuted among their trials.

    Args:
        outcomes: trials of the search.
        seed: of forest, folds and permutations.

    Source:
        Breiman, Random forests, Machine Learning 45 (2001), section 10, on held-out trials (five folds) instead of
        the out-of-bag ones.
    """
    if len(outcomes) < FEWEST_TRIALS:
        return None
    names = sorted({name for outcome in outcomes for name in outcome.searched})
    settings = np.column_stack([_encode_values([outcome.searched.get(name) for outcome in outcomes]) for name in names])
    scores = _centre_scores(outcomes)
    rng = np.random.default_rng(seed)
    predicted: NDArray[np.float64] = np.empty(len(scores))
    permuted = np.empty((len(names), _N_PERMUTATIONS, len(scores)))
    for train, held_out in KFold(_N_FOLDS, shuffle=True, random_state=seed).split(settings):
        forest = RandomForestRegressor(_N_TREES, min_samples_leaf=2, random_state=seed)
        forest.fit(settings[train], scores[train])
        predicted[held_out] = forest.predict(settings[held_out])
        for index in range(len(names)):
            copies = [_permute_setting(settings[held_out], index, rng) for _ in range(_N_PERMUTATIONS)]
            permuted[index][:, held_out] = forest.predict(np.concatenate(copies)).reshape(_N_PERMUTATIONS, -1)
    explained = float(r2_score(scores, predicted))
    losses = {
        name: explained - float(np.mean([r2_score(scores, row) for row in permuted[index]]))
        for index, name in enumerate(names)
    }
    return Importance(explained, dict(sorted(losses.items(), key=lambda item: -item[1])))


def _encode_values(values: Sequence[Value | None]) -> NDArray[np.float64]:
    """Encode the values of a setting as ordered numbers; NaN if the cell does not have it."""
    present = [value for value in values if value is not None]
    numeric = all(isinstance(value, int | float) for value in present)
    order = sorted(set(present)) if numeric else sorted(set(map(str, present)))
    places = {value: place for place, value in enumerate(order)}
    return np.array([np.nan if v is None else places[v if numeric else str(v)] for v in values], dtype=np.float64)


def _centre_scores(outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    cells = np.array([outcome.cell for outcome in outcomes])
    scores = np.array([outcome.score for outcome in outcomes])
    for cell in np.unique(cells):
        scores[cells == cell] -= scores[cells == cell].mean()
    return scores


def _permute_setting(settings: NDArray[np.float64], index: int, rng: np.random.Generator) -> NDArray[np.float64]:
    permuted = settings.copy()
    rows = np.flatnonzero(np.isfinite(settings[:, index]))
    permuted[rows, index] = settings[rng.permutation(rows), index]
    return permuted
