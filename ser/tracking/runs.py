"""MLflow runs of a sweep: one parent, one child per trial, each found again by its key."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunStatus, RunTag
from mlflow.tracking import MlflowClient

from ser.sweep.journal import TrialKey

PARENT = "parent"

for _noisy in ("alembic", "mlflow"):
    logging.getLogger(_noisy).setLevel(logging.ERROR)


class Runs:
    """The runs of one sweep in one tracker. Calling anything twice leaves one run, one point, one tag.

    Args:
        uri: of the tracker.
        experiment: name of the MLflow experiment.
        sweep: name of the sweep.
        sweep_id: tells this sweep from any other of the same name.
    """

    def __init__(self, uri: str, *, experiment: str, sweep: str, sweep_id: str) -> None:
        mlflow.set_tracking_uri(uri)
        self.client = MlflowClient(uri)
        self.experiment_id = _experiment(self.client, experiment)
        self._sweep = sweep
        self.sweep_id = sweep_id
        self._ids: dict[str, str] = {}
        self._running: set[str] = set()
        self._find_existing()

    def open_parent(self, *, start_s: float, tags: Mapping[str, str], params: Mapping[str, Any]) -> str:
        """The parent run, made if it is not there, set running."""
        tags = {"ser.sweep": self._sweep, "ser.trial": PARENT, **tags}
        run_id = self._open(PARENT, name=self._sweep, start_s=start_s, tags=tags)
        self._log_params(run_id, params)
        return run_id

    def open_trial(
        self, key: TrialKey, *, name: str, start_s: float, tags: Mapping[str, str], params: Mapping[str, Any]
    ) -> str:
        """The run of a trial, made below the parent if it is not there."""
        tags = {
            "ser.sweep": key.sweep,
            "ser.cell": key.cell,
            "ser.trial": str(key),
            "mlflow.parentRunId": self._ids[PARENT],
            **tags,
        }
        run_id = self._open(str(key), name=name, start_s=start_s, tags=tags)
        self._log_params(run_id, params)
        return run_id

    def has(self, key: TrialKey | str) -> bool:
        """Whether the run is there."""
        return str(key) in self._ids

    def id_of(self, key: TrialKey | str) -> str:
        """The id of a run that is there."""
        return self._ids[str(key)]

    def log_metrics(self, run_id: str, points: Sequence[Metric]) -> None:
        """Send points; a point sent again with the same timestamp stays one point."""
        self.set_running(run_id)
        for first in range(0, len(points), 1000):
            self.client.log_batch(run_id, metrics=points[first : first + 1000])

    def log_dataset(self, run_id: str, *, name: str, digest: str, source: str, profile: Mapping[str, Any]) -> None:
        """The corpus as an MLflow dataset."""
        dataset = Dataset(
            name=name,
            digest=digest[:36],
            source_type="local",
            source=json.dumps({"uri": source}),
            profile=json.dumps(dict(profile)),
        )
        tags = [InputTag("mlflow.data.context", "training")]
        self.client.log_inputs(run_id, datasets=[DatasetInput(dataset, tags)])

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags."""
        self.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])

    def set_running(self, run_id: str) -> None:
        """Show a run as running: a closed one that is taken up again is changed, never entered anew."""
        if run_id not in self._running:
            self.client.update_run(run_id, status=RunStatus.to_string(RunStatus.RUNNING))
            self._running.add(run_id)

    def close(self, run_id: str, *, status: str, end_s: float) -> None:
        """End a run as FINISHED, FAILED or KILLED."""
        self.client.set_terminated(run_id, status=status, end_time=round(end_s * 1000))
        self._running.discard(run_id)

    def settle(self, ended: Mapping[str, tuple[str, float]]) -> None:
        """Undo what a tracker did late: requests that it had left unanswered and that were made again.

        Args:
            ended: status and time of the end of each run that has ended, by its key.
        """
        for run in self._existing():
            key, run_id = run.data.tags["ser.trial"], run.info.run_id
            if run_id != self._ids[key]:
                self.client.delete_run(run_id)
            elif key in ended and run.info.status != ended[key][0]:
                self.close(run_id, status=ended[key][0], end_s=ended[key][1])

    def _find_existing(self, condition: str = "") -> None:
        # Of two runs of one key the emptier was made by a request that the tracker answered too late.
        for run in sorted(self._existing(condition), key=lambda run: len(run.data.params) + len(run.data.metrics)):
            self._ids[run.data.tags["ser.trial"]] = run.info.run_id
            if run.info.status == "RUNNING":
                self._running.add(run.info.run_id)

    def _existing(self, condition: str = "") -> list[Run]:
        query = f"tags.`ser.sweep_id` = '{self.sweep_id}'{condition}"
        found: list[Run] = []
        token = None
        while True:
            page = self.client.search_runs([self.experiment_id], query, page_token=token)
            found.extend(page)
            token = page.token
            if not token:
                return found

    def _open(self, key: str, *, name: str, start_s: float, tags: Mapping[str, str]) -> str:
        if key not in self._ids:
            self._find_existing(f" and tags.`ser.trial` = '{key}'")
        if key not in self._ids:
            run = self.client.create_run(
                self.experiment_id,
                start_time=round(start_s * 1000),
                run_name=name,
                tags={**tags, "ser.sweep_id": self.sweep_id},
            )
            self._ids[key] = run.info.run_id
            self._running.add(run.info.run_id)
        return self._ids[key]

    def _log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        listed = [Param(name, str(value)) for name, value in params.items()]
        for first in range(0, len(listed), 100):
            self.client.log_batch(run_id, params=listed[first : first + 100])


def _experiment(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return found.experiment_id if found else client.create_experiment(name)
