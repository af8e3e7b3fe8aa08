"""One Optuna study: asks for the settings of the next trial, and hears how trials end.

A study lives in memory and is rebuilt from the journal; the sampler is seeded anew for every trial from the trial's
key, so that a rebuilt study goes on exactly where the other stopped instead of asking for the same points again.
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
    """The search over one cell, or over several with the cell as one more choice.

    Args:
        experiments: the defaults of each cell by name, with all that the plan fixes.
        spaces: what is searched in each cell: range by dotted name.
        n_startup_trials: random trials before the tree-structured Parzen estimator leads.
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
        """The key and the searched settings of trial `number`: the defaults of a cell first, then what TPE asks for.

        A `replayed` trial gets the settings that the journal has for it.
        """
        cells = list(self._experiments)
        self._study.sampler = self._sampler(sweep, number)
        if replayed is not None:
            self._study.enqueue_trial(self._parameters(replayed.cell, replayed.searched))
        elif number < len(cells):
            self._study.enqueue_trial(self._defaults(cells[number]))
        trial = self._study.ask()
        cell = cells[0] if len(cells) == 1 else str(trial.suggest_categorical(CELL, cells))
        # What an earlier version of the sweep did not search yet is nothing that this trial tells of.
        names = self._spaces[cell] if replayed is None else self._spaces[cell].keys() & replayed.searched.keys()
        values = {
            name: _suggest(trial, self._parameter(cell, name), allowed)
            for name, allowed in self._spaces[cell].items()
            if name in names
        }
        key = TrialKey(sweep, cell, number)
        self._open[key] = trial
        return key, values

    def tell(self, record: SweepTrial) -> None:
        """How a trial ended: with its best validation UAR, pruned, or failed."""
        trial = self._open.pop(record.key)
        if record.outcome == "failed" or record.best is None:
            self._study.tell(trial, state=TrialState.FAIL)
            return
        if record.outcome == "pruned":
            # TPE ranks pruned trials by their last epoch and its score.
            assert record.last is not None
            trial.report(record.last.metrics["val_uar"], record.last.epoch)
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            self._study.tell(trial, record.best.metrics["val_uar"])

    @property
    def trials(self) -> list[FrozenTrial]:
        """What the study knows."""
        return self._study.trials

    def _parameter(self, cell: str, name: str) -> str:
        """Settings of the cell itself have a range of their own in each cell."""
        shared = len(self._experiments) == 1 or not name.startswith(("model.", "features."))
        return name if shared else f"{cell}:{name}"

    def _defaults(self, cell: str) -> dict[str, Value]:
        flat = self._experiments[cell].flat()
        return self._parameters(cell, {name: flat[name] for name in self._spaces[cell]})

    def _parameters(self, cell: str, values: Mapping[str, Value]) -> dict[str, Value]:
        named = {self._parameter(cell, name): value for name, value in values.items()}
        return named if len(self._experiments) == 1 else {CELL: cell, **named}

    def _sampler(self, sweep: str, number: int) -> optuna.samplers.TPESampler:
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
