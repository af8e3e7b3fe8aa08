"""One Optuna study: it proposes the settings of the next trial, and learns from the outcome of each.

A study is held in memory and rebuilt from the journal. The sampler is seeded for every trial from the key of the trial,
so that a rebuilt study continues exactly where the other stopped instead of proposing the same points again.
"""

import hashlib
from collections.abc import Mapping
from typing import cast

import optuna
from optuna.trial import FrozenTrial, TrialState

from ser.experiment.experiment import Experiment
from ser.settings.ranges import Choice, Floats, Ints, Range, Subset, Value
from ser.sweep.journal import Asked, TrialKey
from ser.sweep.state import SweepTrial

CELL = "cell"


class Study:
    """Search in one cell, or in several with the cell as one more parameter.

    Args:
        experiments: defaults of each cell by its name, with the settings that the plan fixes.
        spaces: search space of each cell: ranges by dotted name.
        n_startup_trials: random trials before the tree-structured Parzen estimator (TPE) chooses.
        seed: seed of the sampler.
    """

    def __init__(
        self,
        experiments: Mapping[str, Experiment],
        spaces: Mapping[str, Mapping[str, Range]],
        *,
        n_startup_trials: int,
        seed: int,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._experiments = experiments
        self._spaces = spaces
        self._n_startup_trials = n_startup_trials
        self._seed = seed
        self._study = optuna.create_study(direction="maximize")
        self._open: dict[TrialKey, optuna.Trial] = {}

    def ask(self, sweep: str, number: int, *, replayed: Asked | None = None) -> tuple[TrialKey, dict[str, Value]]:
        """Propose the key and the searched settings of a trial: the defaults of each cell first, then those of TPE.

        Args:
            sweep: name of the sweep.
            number: number of the trial.
            replayed: event of a trial that the journal already holds, whose settings are used again; None for a new
                trial.

        Returns:
            Key of the trial, and values of its searched settings by dotted name.
        """
        cells = list(self._experiments)
        self._study.sampler = self._make_sampler(sweep, number)
        if replayed is not None:
            self._study.enqueue_trial(self._parameters(replayed.cell, replayed.searched))
        elif number < len(cells):
            self._study.enqueue_trial(self._defaults(cells[number]))
        trial = self._study.ask()
        cell = cells[0] if len(cells) == 1 else str(trial.suggest_categorical(CELL, cells))
        # A setting that was not searched when this trial began has no value in the journal.
        names = self._spaces[cell] if replayed is None else self._spaces[cell].keys() & replayed.searched.keys()
        values = {
            name: _suggest(trial, self._parameter_name(cell, name), allowed)
            for name, allowed in self._spaces[cell].items()
            if name in names
        }
        key = TrialKey(sweep, cell, number)
        self._open[key] = trial
        return key, values

    def tell(self, ended: SweepTrial) -> None:
        """Add the outcome of a trial: its best validation UAR, pruned, or failed.

        Args:
            ended: a trial that has ended, whose settings `ask` proposed.
        """
        trial = self._open.pop(ended.key)
        if ended.outcome == "failed" or ended.best is None:
            self._study.tell(trial, state=TrialState.FAIL)
            return
        if ended.outcome == "pruned":
            # TPE ranks pruned trials by their last epoch and its score.
            assert ended.last is not None
            trial.report(ended.last.metrics["val_uar"], ended.last.epoch)
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            self._study.tell(trial, ended.best.metrics["val_uar"])

    @property
    def trials(self) -> list[FrozenTrial]:
        """Trials of the study, in Optuna's form."""
        return self._study.trials

    def _parameter_name(self, cell: str, name: str) -> str:
        """Name of a setting in the study; settings of model and features are separate parameters in each cell."""
        is_shared = len(self._experiments) == 1 or not name.startswith(("model.", "features."))
        return name if is_shared else f"{cell}:{name}"

    def _defaults(self, cell: str) -> dict[str, Value]:
        flat = self._experiments[cell].flat()
        return self._parameters(cell, {name: flat[name] for name in self._spaces[cell]})

    def _parameters(self, cell: str, values: Mapping[str, Value]) -> dict[str, Value]:
        named = {self._parameter_name(cell, name): value for name, value in values.items()}
        return named if len(self._experiments) == 1 else {CELL: cell, **named}

    def _make_sampler(self, sweep: str, number: int) -> optuna.samplers.TPESampler:
        cells = "+".join(self._experiments)
        digest = hashlib.sha256(f"{self._seed}/{sweep}/{cells}/{number}".encode()).digest()
        return optuna.samplers.TPESampler(
            seed=int.from_bytes(digest[:4], "big"), n_startup_trials=self._n_startup_trials
        )


def _suggest(trial: optuna.Trial, name: str, allowed: Range) -> Value:
    if isinstance(allowed, Floats):
        return trial.suggest_float(name, allowed.low, allowed.high, log=allowed.log)
    if isinstance(allowed, Ints):
        return trial.suggest_int(name, allowed.low, allowed.high, step=allowed.step, log=allowed.log)
    if isinstance(allowed, Choice):
        return cast(Value, trial.suggest_categorical(name, allowed.options))
    assert isinstance(allowed, Subset)
    return str(trial.suggest_categorical(name, allowed.searched_options))
