"""Runs that a tracker shows as running: found by the sweep they belong to, and closed where nobody writes them."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from ser.tracking.asking import asked
from ser.tracking.runs import PARENT


@dataclass(frozen=True)
class OpenRuns:
    """The runs of one sweep that the tracker shows as running.

    Attributes:
        sweep: its name.
        sweep_id: tells it from others of the same name.
        driver: who took it up last, or '' where its parent run does not say.
        since_s: when the first of them began.
        run_ids: of them.
    """

    sweep: str
    sweep_id: str
    driver: str
    since_s: float
    run_ids: tuple[str, ...]


def open_runs(uri: str) -> list[OpenRuns]:
    """The sweeps with runs that are shown as running, in the order of their names.

    Raises:
        TrackerError: the tracker does not serve.
    """

    def ask() -> list[OpenRuns]:
        client = MlflowClient(uri)
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        runs: dict[str, list[Run]] = {}
        for run in _all(client, experiments, "attributes.status = 'RUNNING' and tags.`ser.sweep_id` LIKE '%'"):
            runs.setdefault(run.data.tags["ser.sweep_id"], []).append(run)
        found = [_of_sweep(client, experiments, sweep_id, listed) for sweep_id, listed in runs.items()]
        return sorted(found, key=lambda sweep: (sweep.sweep, sweep.sweep_id))

    return asked(uri, ask)


def close_runs(uri: str, run_ids: Sequence[str], *, end_s: float) -> None:
    """Show runs as KILLED; whoever resumes their sweep opens them again.

    Raises:
        TrackerError: the tracker does not serve.
    """

    def ask() -> None:
        client = MlflowClient(uri)
        for run_id in run_ids:
            client.set_terminated(run_id, status="KILLED", end_time=round(end_s * 1000))

    asked(uri, ask)


def _of_sweep(client: MlflowClient, experiments: list[str], sweep_id: str, runs: list[Run]) -> OpenRuns:
    parents = _all(client, experiments, f"tags.`ser.sweep_id` = '{sweep_id}' and tags.`ser.trial` = '{PARENT}'")
    return OpenRuns(
        sweep=runs[0].data.tags.get("ser.sweep", sweep_id),
        sweep_id=sweep_id,
        driver=next((run.data.tags["ser.driver"] for run in parents if "ser.driver" in run.data.tags), ""),
        since_s=min(run.info.start_time for run in runs) / 1000,
        run_ids=tuple(run.info.run_id for run in runs),
    )


def _all(client: MlflowClient, experiments: list[str], query: str) -> list[Run]:
    found: list[Run] = []
    token = None
    while experiments:
        page = client.search_runs(experiments, query, page_token=token)
        found.extend(page)
        token = page.token
        if not token:
            break
    return found
