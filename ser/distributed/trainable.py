"""What runs in a trial's worker process: train, report each epoch, test once at the end."""

import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from ser.config import Experiment, from_flat
from ser.training_state import TrainingState, load_state
from ser.trial import Trial, TrialData, validation_metrics

# A checkpoint is worth writing once this much training would be lost without it.
_CHECKPOINT_EVERY_S = 20.0


def train(config: dict[str, Any], *, data: dict[int, ray.ObjectRef[TrialData]]) -> None:
    """One trial. What goes wrong in it is reported as its result: only the death of the process is left to Tune.

    Args:
        config: `values` of the experiment, `resume_from` folder or '', `threads`.
        data: reference to the `TrialData` of each feature space, by its dimensions.
    """
    try:
        torch.set_num_threads(config["threads"])
        experiment = from_flat(config["values"])
        _train(experiment, ray.get(data[experiment.cell.dimensions]), config["resume_from"])
    except Exception as error:
        tune.report({"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()})


def _train(experiment: Experiment, data: TrialData, resume_from: str) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    trial = Trial(experiment, data, device=device, resume=_resumed_state(resume_from))
    started = saved = time.monotonic()
    for epoch in trial.epochs():
        report = {
            "epoch": epoch.epoch,
            "metrics": validation_metrics(epoch),
            "confusion": epoch.confusion.tolist(),
            "last": epoch.last,
        }
        now = time.monotonic()
        if not epoch.last and now - saved < _CHECKPOINT_EVERY_S:
            tune.report(report)
            continue
        saved = now
        with tempfile.TemporaryDirectory() as folder:
            if epoch.last:
                trial.finish(Path(folder), train_seconds=now - started)
            else:
                trial.save_state(Path(folder))
            tune.report(report, checkpoint=tune.Checkpoint.from_directory(folder))


def _resumed_state(resume_from: str) -> TrainingState | None:
    checkpoint = tune.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            return load_state(Path(folder))
    return load_state(Path(resume_from)) if resume_from else None
