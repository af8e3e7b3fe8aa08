"""What runs in a trial's worker process: train, report each epoch, test once at the end."""

import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune
from ray.exceptions import RayError

from ser.experiment.experiment import Experiment, from_flat
from ser.experiment.trial import Trial, validation_metrics
from ser.experiment.trial_data import TrialData
from ser.features.spaces import name_stored_features
from ser.training.checkpoint import TrainingError, TrainingState, find_newest_state, load_state

# Faults of the machine and not of the trial: Tune runs the trial again, from its last checkpoint.
_OF_THE_MACHINE = (OSError, RayError, torch.OutOfMemoryError)


def train(config: dict[str, Any], *, data: dict[str, ray.ObjectRef[TrialData]]) -> None:
    """One trial. What goes wrong in its training is reported as its result; faults of the machine are left to Tune.

    Args:
        config: `values` of the experiment, `threads`, `device`, `checkpoint_every_s`, `keep_model`, `test`, and what an
            earlier driver left: `states`, folders of training states, newest first, and `epoch`, the last that the
            journal has.
        data: reference to the `TrialData` of each feature space, by `name_stored_features`.
    """
    try:
        torch.set_num_threads(config["threads"])
        experiment = from_flat(config["values"])
        _train(experiment, ray.get(data[name_stored_features(experiment.features)]), config)
    except _OF_THE_MACHINE:
        raise
    except Exception as error:
        tune.report({"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()})


def _train(experiment: Experiment, data: TrialData, config: dict[str, Any]) -> None:
    trial = Trial(experiment, data, device=config["device"], resume=_state_to_resume(config))
    saved = time.monotonic()
    with _Reporter(trial) as reporter:
        for epoch in trial.epochs():
            report = {
                "epoch": epoch.epoch,
                "metrics": validation_metrics(epoch),
                "confusion": epoch.confusion.tolist(),
                "last": epoch.last,
                "seconds": epoch.seconds,
            }
            # What the search thinks of the epochs before is heard before the test clips are.
            reporter.wait()
            if epoch.last:
                reporter.hand_over(report, partial(trial.finish, keep_model=config["keep_model"], test=config["test"]))
            elif time.monotonic() - saved < config["checkpoint_every_s"]:
                reporter.hand_over(report)
            else:
                reporter.hand_over(report, trial.save_state)
                saved = time.monotonic()


class _Reporter:
    """Hands reports to Tune while the training goes on: what the driver makes of an epoch is heard during the next."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._thread = ThreadPoolExecutor(1)
        self._report: Future[None] | None = None

    def __enter__(self) -> "_Reporter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._thread:
            # Where Tune has stopped the trial meanwhile, that counts, and not what the training came to since.
            if kind is None or (self._report is not None and self._report.exception() is not None):
                self.wait()

    def hand_over(self, report: dict[str, Any], save: Callable[[Path], object] | None = None) -> None:
        """Report, with what `save` writes as checkpoint."""
        folder = None if save is None else tempfile.TemporaryDirectory()
        if save is not None and folder is not None:
            save(Path(folder.name))
        self._report = self._thread.submit(_to_tune, report, folder)
        self._report.add_done_callback(self._heard)

    def wait(self) -> None:
        """Return when Tune has taken the last report; leave the thread where Tune stops the trial."""
        if self._report is not None:
            self._report.result()

    def _heard(self, report: "Future[None]") -> None:
        if report.exception() is not None:
            self._trial.stop()


def _to_tune(report: dict[str, Any], folder: tempfile.TemporaryDirectory[str] | None) -> None:
    if folder is None:
        tune.report(report)
        return
    with folder:
        tune.report(report, checkpoint=tune.Checkpoint.from_directory(folder.name))


def _state_to_resume(config: dict[str, Any]) -> TrainingState | None:
    """Tune's own checkpoint where it runs the trial again, else what an earlier driver left; None to begin anew."""
    checkpoint = tune.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder, suppress(TrainingError):
            return load_state(Path(folder))
    return find_newest_state(map(Path, config["states"]), last_epoch=config["epoch"])
