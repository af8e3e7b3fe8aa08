"""Trainable of Ray Tune, which runs in the worker process of a trial: train, report each epoch, test at the end."""

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

# After these Tune runs the trial again from its last checkpoint, because the trial did not cause them.
_MACHINE_FAULTS = (OSError, RayError, torch.OutOfMemoryError)


def train(config: dict[str, Any], *, data: dict[str, ray.ObjectRef[TrialData]]) -> None:
    """Run one trial. An error of its training is reported as its result; faults of the machine are left to Tune.

    Args:
        config: `values` of the experiment, `threads`, `device`, `checkpoint_every_s`, `keep_model`, `test`; and of
            earlier driver processes `states`, folders of training states, newest first, and `epoch`, the last epoch in
            the journal.
        data: references to the `TrialData` of the feature spaces, by `name_stored_features`.
    """
    try:
        torch.set_num_threads(config["threads"])
        experiment = from_flat(config["values"])
        _train(experiment, ray.get(data[name_stored_features(experiment.features)]), config)
    except _MACHINE_FAULTS:
        raise
    except Exception as error:
        tune.report({"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()})


def _train(experiment: Experiment, data: TrialData, config: dict[str, Any]) -> None:
    trial = Trial(experiment, data, device=config["device"], resume=_state_to_resume(config))
    saved_s = time.monotonic()
    with _Reporter(trial) as reporter:
        for epoch in trial.epochs():
            report = {
                "epoch": epoch.epoch,
                "metrics": validation_metrics(epoch),
                "confusion": epoch.confusion.tolist(),
                "last": epoch.last,
                "seconds": epoch.seconds,
            }
            # The search must have decided on the epochs before, so that no stopped trial is tested.
            reporter.wait()
            if epoch.last:
                reporter.hand_over(report, partial(trial.finish, keep_model=config["keep_model"], test=config["test"]))
            elif time.monotonic() - saved_s < config["checkpoint_every_s"]:
                reporter.hand_over(report)
            else:
                reporter.hand_over(report, trial.save_state)
                saved_s = time.monotonic()


class _Reporter:
    """Thread that reports to Tune, so that the training continues while the driver process decides on an epoch."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._thread = ThreadPoolExecutor(1)
        self._report: Future[None] | None = None

    def __enter__(self) -> "_Reporter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._thread:
            # Where Tune has stopped the trial meanwhile, its stop overrides an error of the training.
            if kind is None or (self._report is not None and self._report.exception() is not None):
                self.wait()

    def hand_over(self, report: dict[str, Any], save: Callable[[Path], object] | None = None) -> None:
        """Report to Tune, with the files that `save` writes as the checkpoint."""
        folder = None if save is None else tempfile.TemporaryDirectory()
        if save is not None and folder is not None:
            save(Path(folder.name))
        self._report = self._thread.submit(_report_to_tune, report, folder)
        self._report.add_done_callback(self._stop_if_ended)

    def wait(self) -> None:
        """Wait until Tune has accepted the last report; raises the exception by which Tune stops the trial."""
        if self._report is not None:
            self._report.result()

    def _stop_if_ended(self, report: "Future[None]") -> None:
        if report.exception() is not None:
            self._trial.stop()


def _report_to_tune(report: dict[str, Any], folder: tempfile.TemporaryDirectory[str] | None) -> None:
    if folder is None:
        tune.report(report)
        return
    with folder:
        tune.report(report, checkpoint=tune.Checkpoint.from_directory(folder.name))


def _state_to_resume(config: dict[str, Any]) -> TrainingState | None:
    """Load Tune's checkpoint where it repeats the trial, else that of an earlier driver process; None to start."""
    checkpoint = tune.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder, suppress(TrainingError):
            return load_state(Path(folder))
    return find_newest_state(map(Path, config["states"]), last_epoch=config["epoch"])
