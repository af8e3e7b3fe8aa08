"""Runs that a tracker shows as running: found by the sweep they belong to, and closed where nobody writes them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from ser.redaction import redact
from ser.tracking.client.deadline import ask_tracker, describe_tracker_error
from ser.tracking.publication import TrackerError
from ser.tracking.runs import PARENT

_LONGEST_S = 60.0


@dataclass(frozen=True)
class OpenRuns:
    """The runs of one sweep that the tracker shows as running.

    Attributes:
        sweep: its name.
        sweep_id: tells it from others of the same name.
        driver: who took it up last, or '' where its parent run does not say.
        since_s: when the first of them began.
        keys: of their trials, or 'parent', by the id of the run; '' where a run does not say.
    """

    sweep: str
    sweep_id: str
    driver: str
    since_s: float
    keys: dict[str, str]


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

    return ask_tracker(uri, ask)


def close_runs(uri: str, ends: Mapping[str, tuple[str, float]], *, longest_s: float = _LONGEST_S) -> None:
    """Show runs as ended; whoever resumes their sweep opens again those that go on.

    In the thread that asks for it: a run that was closed after its sweep is taken up again would look dead.

    Args:
        uri: of the tracker.
        ends: status and time of the end, by the id of the run.
        longest_s: no further run is closed later than this.

    Raises:
        TrackerError: the tracker does not serve, or not in time; no run is closed after that.
    """
    deadline_s = time.monotonic() + longest_s
    try:
        client = MlflowClient(uri)
        for n_closed, (run_id, (status, end_s)) in enumerate(ends.items()):
            if time.monotonic() > deadline_s:
                raise TrackerError(
                    f"{redact(uri)} closed {n_closed} of {len(ends)} runs in {longest_s:g} s: look at its log, then "
                    "ask again"
                )
            client.set_terminated(run_id, status=status, end_time=round(end_s * 1000))
    except Exception as error:
        raise describe_tracker_error(uri, error) from None


def _of_sweep(client: MlflowClient, experiments: list[str], sweep_id: str, runs: list[Run]) -> OpenRuns:
    parents = _all(client, experiments, f"tags.`ser.sweep_id` = '{sweep_id}' and tags.`ser.trial` = '{PARENT}'")
    return OpenRuns(
        sweep=runs[0].data.tags.get("ser.sweep", sweep_id),
        sweep_id=sweep_id,
        driver=next((run.data.tags["ser.driver"] for run in parents if "ser.driver" in run.data.tags), ""),
        since_s=min(run.info.start_time for run in runs) / 1000,
        keys={run.info.run_id: run.data.tags.get("ser.trial", "") for run in runs},
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
