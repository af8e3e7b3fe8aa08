"""Reading of a logged training from MLflow, and logging of a training that repeats it."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ser.experiment.experiment import Experiment, from_flat
from ser.experiment.trial import PREDICTIONS_FILE
from ser.paths import default_corpus_dir
from ser.settings.ranges import SettingError
from ser.tracking import tags
from ser.tracking.client.tracker_error import TrackerError

_PER_EPOCH = ("train_loss", "val_loss", "val_uar", "val_accuracy", "val_macro_f1")


@dataclass(frozen=True)
class LoggedRun:
    """Training that was logged to MLflow.

    Attributes:
        run: the run in MLflow.
        experiment: settings of the training.
        epochs: metrics of each epoch by name, in order.
        test: test metrics by name; empty for a run that did not complete and for a run of an ablation.
        n_threads: processor threads of the trial.
        corpus_dir: folder of its clips.
        corpus_digest: digest of its clips, or ''.
        features_version: version of its feature space.
    """

    run: Run
    experiment: Experiment
    epochs: tuple[Mapping[str, float], ...]
    test: Mapping[str, float]
    n_threads: int
    corpus_dir: str
    corpus_digest: str
    features_version: int


def read_run(client: MlflowClient, run_id: str) -> LoggedRun:
    """Read a run by its id.

    Raises:
        TrackerError: there is no such run, it is no training, or none of its epochs was logged.
    """
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        raise TrackerError(
            f"the tracker has no run '{run_id}' ({error.message})", "copy its id from MLflow's UI"
        ) from None
    try:
        experiment = from_flat(run.data.params)
    except SettingError as error:
        raise TrackerError(
            f"the params of run {run_id} are of no training of this version ({error})", "name a trial"
        ) from None
    epochs = _read_epochs(client, run_id)
    if not epochs:
        raise TrackerError(f"run {run_id} has no logged epoch to compare with", "name another run")
    parent_id = run.data.tags.get(tags.PARENT_RUN_ID)
    parent = client.get_run(parent_id).data.params if parent_id else {}
    datasets = run.inputs.dataset_inputs if run.inputs else []
    source = json.loads(datasets[0].dataset.source)["uri"] if datasets else default_corpus_dir(experiment.corpus.name)
    return LoggedRun(
        run=run,
        experiment=experiment,
        epochs=epochs,
        test={name: value for name, value in run.data.metrics.items() if name.startswith("test_")},
        n_threads=max(1, int(float(parent.get("cpus_per_trial", 1)))),
        corpus_dir=source,
        corpus_digest=run.data.tags.get(tags.CORPUS_DIGEST, ""),
        # Runs without the tag were logged before version 3.
        features_version=int(run.data.tags.get(tags.FEATURES_VERSION, 2)),
    )


def log_repeated_training(
    client: MlflowClient,
    logged: LoggedRun,
    epochs: Sequence[Mapping[str, float]],
    test: Mapping[str, float],
    folder: Path,
) -> str:
    """Log a training that repeats a logged run, as a run of its own with the tag `ser.repeats`.

    Args:
        client: of the tracker.
        logged: the run that was repeated.
        epochs: metrics of each epoch of the new training, in order.
        test: its test metrics by name; empty if it did not complete.
        folder: with its predictions, if it completed.

    Returns:
        Id of the new run.
    """
    info, now_ms = logged.run.info, round(time.time() * 1000)
    copied = (tags.CELL, tags.SPLIT, tags.SPLIT_DIGEST, tags.FEATURES_VERSION)
    new_tags = {name: value for name, value in logged.run.data.tags.items() if name in copied}
    new_tags |= {tags.REPEATS: info.run_id, tags.CORPUS_DIGEST: logged.corpus_digest}
    run_id = client.create_run(info.experiment_id, run_name=f"{info.run_name} again").info.run_id
    points = [Metric(name, v, now_ms, n) for n, epoch in enumerate(epochs, start=1) for name, v in epoch.items()]
    points += [Metric(name, value, now_ms, 0) for name, value in test.items()]
    params = [Param(name, value) for name, value in logged.run.data.params.items()]
    for first in range(0, len(points), 1000):
        client.log_batch(run_id, metrics=points[first : first + 1000])
    for first in range(0, len(params), 100):
        client.log_batch(run_id, params=params[first : first + 100])
    client.log_batch(run_id, tags=[RunTag(name, value) for name, value in new_tags.items()])
    if (folder / PREDICTIONS_FILE).exists():
        client.log_artifact(run_id, str(folder / PREDICTIONS_FILE))
    client.set_terminated(run_id)
    return str(run_id)


def _read_epochs(client: MlflowClient, run_id: str) -> tuple[Mapping[str, float], ...]:
    """Read the metrics of the leading epochs that were logged completely."""
    values: dict[int, dict[str, float]] = {}
    for name in _PER_EPOCH:
        for point in client.get_metric_history(run_id, name):
            values.setdefault(point.step, {})[name] = point.value
    complete: list[Mapping[str, float]] = []
    while len(values.get(len(complete) + 1, {})) == len(_PER_EPOCH):
        complete.append(values[len(complete) + 1])
    return tuple(complete)
