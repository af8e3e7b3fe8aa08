"""What runs in a trial's worker process: train, report each epoch, test once at the end."""

import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune
from ray.exceptions import RayError

from ser.config import Experiment, from_flat
from ser.training_state import TrainingError, TrainingState, load_state, newest_state
from ser.trial import Trial, TrialData, validation_metrics

# Faults of the machine and not of the trial: Tune runs the trial again, from its last checkpoint.
_OF_THE_MACHINE = (OSError, RayError, torch.OutOfMemoryError)


def train(config: dict[str, Any], *, data: dict[int, ray.ObjectRef[TrialData]]) -> None:
    """One trial. What goes wrong in its training is reported as its result; faults of the machine are left to Tune.

    Args:
        config: `values` of the experiment, `threads`, `device`, `checkpoint_every_s`, and what an earlier driver left:
            `states`, folders of training states, newest first, and `epoch`, the last that the journal has.
        data: reference to the `TrialData` of each feature space, by its dimensions.
    """
    try:
        torch.set_num_threads(config["threads"])
        experiment = from_flat(config["values"])
        _train(experiment, ray.get(data[experiment.cell.dimensions]), config)
    except _OF_THE_MACHINE:
        raise
    except Exception as error:
        tune.report({"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()})


def _train(experiment: Experiment, data: TrialData, config: dict[str, Any]) -> None:
    trial = Trial(experiment, data, device=config["device"], resume=_state_to_resume(config))
    saved = time.monotonic()
    for epoch in trial.epochs():
        report = {
            "epoch": epoch.epoch,
            "metrics": validation_metrics(epoch),
            "confusion": epoch.confusion.tolist(),
            "last": epoch.last,
        }
        now = time.monotonic()
        if not epoch.last and now - saved < config["checkpoint_every_s"]:
            tune.report(report)
            continue
        saved = now
        with tempfile.TemporaryDirectory() as folder:
            if epoch.last:
                trial.finish(Path(folder))
            else:
                trial.save_state(Path(folder))
            tune.report(report, checkpoint=tune.Checkpoint.from_directory(folder))


def _state_to_resume(config: dict[str, Any]) -> TrainingState | None:
    """Tune's own checkpoint where it runs the trial again, else what an earlier driver left; None to begin anew."""
    checkpoint = tune.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder, suppress(TrainingError):
            return load_state(Path(folder))
    return newest_state(map(Path, config["states"]), last_epoch=config["epoch"])
