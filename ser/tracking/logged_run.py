"""A logged run read back so that it can be repeated, and a repetition logged beside it."""

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
from ser.tracking.publication import TrackerError
from ser.tracking.registry.run_evaluations import PARENT_ID

_PER_EPOCH = ("train_loss", "val_loss", "val_uar", "val_accuracy", "val_macro_f1")


@dataclass(frozen=True)
class LoggedRun:
    """A training as MLflow tells it.

    Attributes:
        run: all of it.
        experiment: what was trained.
        epochs: what was reported of each epoch, the first first.
        test: test figures by name; none of a run that did not complete, or of an ablation's.
        n_threads: processor threads of the trial.
        corpus_dir: where its clips lay.
        corpus_digest: of its clips, or ''.
        features_version: version of the numbers of its feature space.
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
    """A run by its id.

    Raises:
        TrackerError: no such run, one that is no training, or one of which no epoch was logged.
    """
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        raise TrackerError(
            f"the tracker has no run '{run_id}' ({error.message}): copy its id from MLflow's UI"
        ) from None
    try:
        experiment = from_flat(run.data.params)
    except SettingError as error:
        raise TrackerError(
            f"the params of run {run_id} are of no training of this version ({error}): name a trial"
        ) from None
    epochs = _epochs(client, run_id)
    if not epochs:
        raise TrackerError(f"no epoch of run {run_id} was logged, there is nothing to compare with: name another run")
    parent = client.get_run(run.data.tags[PARENT_ID]).data.params if PARENT_ID in run.data.tags else {}
    given = run.inputs.dataset_inputs if run.inputs else []
    source = json.loads(given[0].dataset.source)["uri"] if given else default_corpus_dir(experiment.corpus.name)
    return LoggedRun(
        run=run,
        experiment=experiment,
        epochs=epochs,
        test={name: value for name, value in run.data.metrics.items() if name.startswith("test_")},
        n_threads=max(1, int(float(parent.get("cpus_per_trial", 1)))),
        corpus_dir=source,
        corpus_digest=run.data.tags.get("ser.corpus_digest", ""),
        # Runs of before it was recorded are of version 2.
        features_version=int(run.data.tags.get("ser.features_version", 2)),
    )


def log_repetition(
    client: MlflowClient, of: LoggedRun, epochs: Sequence[Mapping[str, float]], test: Mapping[str, float], folder: Path
) -> str:
    """Log a repetition as a run beside the one it repeats, tagged `ser.repeats`; its id.

    Args:
        client: of the tracker.
        of: what was repeated.
        epochs: what the repetition made of each epoch.
        test: its test figures; none where it did not complete.
        folder: with its predictions, where it completed.
    """
    info, now = of.run.info, round(time.time() * 1000)
    tags = {
        name: value
        for name, value in of.run.data.tags.items()
        if name in ("ser.cell", "ser.split", "ser.features_version")
    }
    tags |= {"ser.repeats": info.run_id, "ser.corpus_digest": of.corpus_digest}
    if "ser.split_digest" in of.run.data.tags:
        tags["ser.split_digest"] = of.run.data.tags["ser.split_digest"]
    made = client.create_run(info.experiment_id, run_name=f"{info.run_name} again").info.run_id
    points = [Metric(name, v, now, n) for n, epoch in enumerate(epochs, start=1) for name, v in epoch.items()]
    points += [Metric(name, value, now, 0) for name, value in test.items()]
    params = [Param(name, value) for name, value in of.run.data.params.items()]
    for first in range(0, len(points), 1000):
        client.log_batch(made, metrics=points[first : first + 1000])
    for first in range(0, len(params), 100):
        client.log_batch(made, params=params[first : first + 100])
    client.log_batch(made, tags=[RunTag(name, value) for name, value in tags.items()])
    if (folder / PREDICTIONS_FILE).exists():
        client.log_artifact(made, str(folder / PREDICTIONS_FILE))
    client.set_terminated(made)
    return str(made)


def _epochs(client: MlflowClient, run_id: str) -> tuple[Mapping[str, float], ...]:
    """The epochs of which everything was logged, without a gap."""
    values: dict[int, dict[str, float]] = {}
    for name in _PER_EPOCH:
        for point in client.get_metric_history(run_id, name):
            values.setdefault(point.step, {})[name] = point.value
    whole: list[Mapping[str, float]] = []
    while len(values.get(len(whole) + 1, {})) == len(_PER_EPOCH):
        whole.append(values[len(whole) + 1])
    return tuple(whole)
