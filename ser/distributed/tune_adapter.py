"""Adapter from Ray Tune's hooks to the controller: Tune runs the trials, the controller decides."""

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from ser.distributed.cluster import resources
from ser.distributed.observer import Observer
from ser.experiment.trial import TEST_FILE
from ser.sweep.controller import Controller, NextTrial
from ser.sweep.folder import find_checkpoints
from ser.sweep.journal import ABLATION, SEARCH, Ended, Reported, TrialKey
from ser.sweep.plan import Plan
from ser.sweep.state import TERMINAL_OUTCOMES

_RESOURCES_EVERY_S = 5.0


class SweepSearch(Searcher):
    """Search algorithm of Tune that gets its trials from the controller, never more than can run at a time."""

    def __init__(self, controller: Controller, storage: Path) -> None:
        super().__init__()
        self._controller = controller
        self._plan = controller.plan
        self._storage = storage
        self._slots, self._measured_s = 1, float("-inf")

    def suggest(self, trial_id: str) -> Any:
        """Return the config of the next trial; None to wait, FINISHED after the last one."""
        if len(self._controller.open_trials()) >= self._count_slots():
            return None
        trial = self._controller.next_trial()
        if trial is None:
            return None if self._controller.is_waiting else Searcher.FINISHED
        return self._make_config(trial)

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Nothing: `SweepCallback` handles the end, because it gets the checkpoint too."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a sweep is resumed from its journal."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a sweep is resumed from its journal."""

    def _count_slots(self) -> int:
        """Count the trials that the cluster can run at a time; the result is kept for some seconds."""
        if time.monotonic() - self._measured_s > _RESOURCES_EVERY_S:
            self._slots, self._measured_s = count_parallel_trials(trial_resources(self._plan)), time.monotonic()
        return self._slots

    def _make_config(self, trial: NextTrial) -> dict[str, Any]:
        return {
            "key": [trial.key.sweep, trial.key.cell, trial.key.number],
            "values": trial.experiment.flat(),
            "threads": max(1, int(self._plan.cpus_per_trial)),
            "device": "cuda" if trial_resources(self._plan)["gpu"] else "cpu",
            "checkpoint_every_s": self._plan.checkpoint_every_s,
            "keep_model": trial.stage == SEARCH,
            "test": trial.stage != ABLATION,
            "states": [str(path.parent) for path in find_checkpoints(self._storage, trial.key)],
            "epoch": self._controller.state.trials[trial.key].n_epochs,
        }


class SweepScheduler(FIFOScheduler):
    """Scheduler of Tune that passes each report to the controller and stops the trials that it prunes."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._controller = controller

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Continue or stop the trial."""
        if "error" in result:
            return str(TrialScheduler.CONTINUE)
        key = read_trial_key(trial)
        metrics = {name.partition("/")[2]: value for name, value in result.items() if name.startswith("metrics/")}
        event = Reported(
            key.cell, key.number, result["epoch"], metrics, result["confusion"], result["last"], result["seconds"]
        )
        continues = self._controller.report(event)
        return str(TrialScheduler.CONTINUE if continues else TrialScheduler.STOP)


class SweepCallback(Callback):
    """Callback of Tune that passes the end of each trial to the controller and to the display."""

    def __init__(self, controller: Controller, observer: Observer, storage: Path) -> None:
        self._controller = controller
        self._observer = observer
        self._storage = storage

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Keep the display up to date."""
        self._observer.refresh()

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """End a trial that was completed, failed, or was stopped by its rungs or by the time budget."""
        key, result = read_trial_key(trial), trial.last_result or {}
        if "error" in result:
            self._end(Ended(key.cell, key.number, "failed", reason=result["error"], traceback=result["traceback"]))
        elif result.get("last"):
            assert trial.checkpoint is not None
            bundle = Path(trial.checkpoint.path)
            test = json.loads((bundle / TEST_FILE).read_text())
            self._end(Ended(key.cell, key.number, "completed", bundle=str(bundle), test=test))
        elif self._controller.was_pruned(key):
            reason = f"behind at its rung, epoch {result['epoch']}"
            self._end(Ended(key.cell, key.number, "pruned", reason=reason))
        else:
            self._end(Ended(key.cell, key.number, "killed", reason="the sweep was stopped"))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """End a trial whose process died more often than Tune repeats it."""
        key, failures = read_trial_key(trial), str(trial.get_error())
        self._end(Ended(key.cell, key.number, "failed", reason=find_failure_reason(failures), traceback=failures))

    def _end(self, event: Ended) -> None:
        self._controller.end(event)
        self._observer.show_end(event)
        if event.outcome in TERMINAL_OUTCOMES:
            for path in find_checkpoints(self._storage, self._controller.state.trial(event).key):
                path.unlink(missing_ok=True)


def count_parallel_trials(needs: Mapping[str, float]) -> int:
    """Count the trials that the cluster can run at a time now; at least one.

    Args:
        needs: resources of a trial in the form of Tune: 'cpu' and 'gpu'.
    """
    available = resources()
    return max(1, int(min(available.get(name.upper(), 0) / amount for name, amount in needs.items() if amount)))


def trial_resources(plan: Plan) -> dict[str, float]:
    """Resources of a trial in the form of Tune; no GPU where the cluster has none now."""
    return {"cpu": plan.cpus_per_trial, "gpu": plan.gpus_per_trial if resources().get("GPU") else 0.0}


def read_trial_key(trial: Trial) -> TrialKey:
    """Read the key of a trial from Tune's config."""
    sweep, cell, number = trial.config["key"]
    return TrialKey(sweep, cell, number)


def find_failure_reason(failures: str) -> str:
    """Find the reason of the last failure in Tune's text of all failures of a trial.

    Returns:
        The line of the exception, or the one that says how the process died; 'unknown' where there is none.
    """
    # Tune gives the failures of a trial only as one text.
    lines = re.split(r"^Failure # \d+.*\n", failures, flags=re.MULTILINE)[-1].strip().splitlines()
    return next((line for line in lines if "died" in line), lines[-1] if lines else "unknown")
