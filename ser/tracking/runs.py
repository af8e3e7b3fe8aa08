"""MLflow runs of a sweep: one parent, one child per trial, each found by its key."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunStatus, RunTag
from mlflow.tracking import MlflowClient

from ser.sweep.journal import TrialKey
from ser.tracking.tags import CELL, DATASET_CONTEXT, PARENT_RUN_ID, SWEEP, SWEEP_ID, TRIAL

PARENT = "parent"
"""Key of the parent run."""

for _logger_name in ("alembic", "mlflow"):
    logging.getLogger(_logger_name).setLevel(logging.ERROR)


class Runs:
    """Runs of one sweep in one tracker. Every method may be repeated: it leaves one run, one point, one tag.

    Args:
        uri: of the tracker.
        experiment: name of the MLflow experiment.
        sweep: name of the sweep.
        sweep_id: distinguishes this sweep from others of the same name.

    Attributes:
        client: of the tracker.
        experiment_id: id of the MLflow experiment, which is created if it does not exist.
        sweep_id: as given.
    """

    def __init__(self, uri: str, *, experiment: str, sweep: str, sweep_id: str) -> None:
        mlflow.set_tracking_uri(uri)
        self.client = MlflowClient(uri)
        self.experiment_id = _ensure_experiment(self.client, experiment)
        self._sweep = sweep
        self.sweep_id = sweep_id
        self._ids: dict[str, str] = {}
        self._running: set[str] = set()
        self._read_run_ids()

    def open_parent(self, *, start_s: float, tags: Mapping[str, str], params: Mapping[str, Any]) -> str:
        """Open the parent run, which is created if it does not exist.

        Args:
            start_s: start of the sweep in seconds since 1970.
            tags: by name.
            params: by name.

        Returns:
            Id of the run.
        """
        tags = {SWEEP: self._sweep, TRIAL: PARENT, **tags}
        run_id = self._open_run(PARENT, name=self._sweep, start_s=start_s, tags=tags)
        self._log_params(run_id, params)
        return run_id

    def open_trial(
        self, key: TrialKey, *, name: str, start_s: float, tags: Mapping[str, str], params: Mapping[str, Any]
    ) -> str:
        """Open the run of a trial below the parent run; it is created if it does not exist.

        Args:
            key: of the trial.
            name: of the run, for display.
            start_s: start of the trial in seconds since 1970.
            tags: by name.
            params: by name.

        Returns:
            Id of the run.
        """
        tags = {
            SWEEP: key.sweep,
            CELL: key.cell,
            TRIAL: str(key),
            PARENT_RUN_ID: self._ids[PARENT],
            **tags,
        }
        run_id = self._open_run(str(key), name=name, start_s=start_s, tags=tags)
        self._log_params(run_id, params)
        return run_id

    def has(self, key: TrialKey | str) -> bool:
        """Test whether the tracker has a run of this key."""
        return str(key) in self._ids

    def get_run_id(self, key: TrialKey | str) -> str:
        """Return the id of a run that exists."""
        return self._ids[str(key)]

    def log_metrics(self, run_id: str, points: Sequence[Metric]) -> None:
        """Log points of metrics; a repeated point with the same timestamp stays one point."""
        self.set_running(run_id)
        for first in range(0, len(points), 1000):
            self.client.log_batch(run_id, metrics=points[first : first + 1000])

    def log_dataset(self, run_id: str, *, name: str, digest: str, source: str, profile: Mapping[str, Any]) -> None:
        """Log the corpus as data set of a run.

        Args:
            run_id: of the run.
            name: of the corpus.
            digest: of its clips.
            source: folder of its clips.
            profile: number of clips and speakers.
        """
        dataset = Dataset(
            name=name,
            digest=digest[:36],
            source_type="local",
            source=json.dumps({"uri": source}),
            profile=json.dumps(dict(profile)),
        )
        tags = [InputTag(DATASET_CONTEXT, "training")]
        self.client.log_inputs(run_id, datasets=[DatasetInput(dataset, tags)])

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run."""
        self.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])

    def set_running(self, run_id: str) -> None:
        """Show a run as running; a closed run that continues is updated, no second one is created."""
        if run_id not in self._running:
            self.client.update_run(run_id, status=RunStatus.to_string(RunStatus.RUNNING))
            self._running.add(run_id)

    def close(self, run_id: str, *, status: str, end_s: float) -> None:
        """End a run as FINISHED, FAILED or KILLED.

        Args:
            run_id: of the run.
            status: one of the three.
            end_s: end in seconds since 1970.
        """
        self.client.set_terminated(run_id, status=status, end_time=round(end_s * 1000))
        self._running.discard(run_id)

    def undo_late_requests(self, ended: Mapping[str, tuple[str, float]]) -> None:
        """Undo requests that the tracker executed after their timeout, when they had been repeated.

        Args:
            ended: status and end in seconds since 1970 of each run that has ended, by its key.
        """
        for run in self._search_runs():
            key, run_id = run.data.tags[TRIAL], run.info.run_id
            if run_id != self._ids[key]:
                self.client.delete_run(run_id)
            elif key in ended and run.info.status != ended[key][0]:
                self.close(run_id, status=ended[key][0], end_s=ended[key][1])

    def _read_run_ids(self, condition: str = "") -> None:
        # If a key has two runs, a request that the tracker executed after its timeout created the emptier one.
        for run in sorted(self._search_runs(condition), key=lambda run: len(run.data.params) + len(run.data.metrics)):
            self._ids[run.data.tags[TRIAL]] = run.info.run_id
            if run.info.status == "RUNNING":
                self._running.add(run.info.run_id)

    def _search_runs(self, condition: str = "") -> list[Run]:
        query = f"tags.`{SWEEP_ID}` = '{self.sweep_id}'{condition}"
        found: list[Run] = []
        token = None
        while True:
            page = self.client.search_runs([self.experiment_id], query, page_token=token)
            found.extend(page)
            token = page.token
            if not token:
                return found

    def _open_run(self, key: str, *, name: str, start_s: float, tags: Mapping[str, str]) -> str:
        if key not in self._ids:
            self._read_run_ids(f" and tags.`{TRIAL}` = '{key}'")
        if key not in self._ids:
            run = self.client.create_run(
                self.experiment_id,
                start_time=round(start_s * 1000),
                run_name=name,
                tags={**tags, SWEEP_ID: self.sweep_id},
            )
            self._ids[key] = run.info.run_id
            self._running.add(run.info.run_id)
        return self._ids[key]

    def _log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        listed = [Param(name, str(value)) for name, value in params.items()]
        for first in range(0, len(listed), 100):
            self.client.log_batch(run_id, params=listed[first : first + 100])


def _ensure_experiment(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return found.experiment_id if found else client.create_experiment(name)
