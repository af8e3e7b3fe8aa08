"""Runs that a tracker shows as running: find them by sweep, and close those that no process writes to."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from ser.redaction import redact
from ser.tracking import tags
from ser.tracking.client.deadline import ask_tracker
from ser.tracking.client.tracker_error import TrackerError, describe_tracker_error
from ser.tracking.runs import PARENT

_LONGEST_S = 60.0


@dataclass(frozen=True)
class OpenRuns:
    """Runs of one sweep that the tracker shows as running.

    Attributes:
        sweep: name of the sweep.
        sweep_id: distinguishes the sweep from others of the same name.
        driver: the last driver process of the sweep, or '' if its parent run does not name one.
        since_s: start of the first of the runs, in seconds since 1970.
        keys: key of the trial, or 'parent', by the id of the run; '' if the run has no key.
    """

    sweep: str
    sweep_id: str
    driver: str
    since_s: float
    keys: dict[str, str]


def find_open_runs(uri: str) -> list[OpenRuns]:
    """Find the runs that are shown as running, grouped by sweep and sorted by its name.

    Raises:
        TrackerError: the tracker does not answer.
    """

    def find() -> list[OpenRuns]:
        client = MlflowClient(uri)
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        runs: dict[str, list[Run]] = {}
        for run in _search_runs(
            client, experiments, f"attributes.status = 'RUNNING' and tags.`{tags.SWEEP_ID}` LIKE '%'"
        ):
            runs.setdefault(run.data.tags[tags.SWEEP_ID], []).append(run)
        found = [_describe_sweep(client, experiments, sweep_id, listed) for sweep_id, listed in runs.items()]
        return sorted(found, key=lambda sweep: (sweep.sweep, sweep.sweep_id))

    return ask_tracker(uri, find)


def close_runs(uri: str, ends: Mapping[str, tuple[str, float]], *, longest_s: float = _LONGEST_S) -> None:
    """Show runs as ended; a process that resumes their sweep reopens those that continue.

    Requests are sent in the caller's thread: one that outlived the call could close a run of a resumed sweep.

    Args:
        uri: of the tracker.
        ends: status and time of the end in seconds since 1970, by the id of the run.
        longest_s: time after which no further run is closed.

    Raises:
        TrackerError: the tracker does not answer, or not in time; no run is closed after that.
    """
    deadline_s = time.monotonic() + longest_s
    try:
        client = MlflowClient(uri)
        for n_closed, (run_id, (status, end_s)) in enumerate(ends.items()):
            if time.monotonic() > deadline_s:
                raise TrackerError(
                    f"{redact(uri)} closed {n_closed} of {len(ends)} runs in {longest_s:g} s",
                    "look at its log, then try again",
                )
            client.set_terminated(run_id, status=status, end_time=round(end_s * 1000))
    except Exception as error:
        raise describe_tracker_error(uri, error) from None


def _describe_sweep(client: MlflowClient, experiments: list[str], sweep_id: str, runs: list[Run]) -> OpenRuns:
    query = f"tags.`{tags.SWEEP_ID}` = '{sweep_id}' and tags.`{tags.TRIAL}` = '{PARENT}'"
    parents = _search_runs(client, experiments, query)
    return OpenRuns(
        sweep=runs[0].data.tags.get(tags.SWEEP, sweep_id),
        sweep_id=sweep_id,
        driver=next((run.data.tags[tags.DRIVER] for run in parents if tags.DRIVER in run.data.tags), ""),
        since_s=min(run.info.start_time for run in runs) / 1000,
        keys={run.info.run_id: run.data.tags.get(tags.TRIAL, "") for run in runs},
    )


def _search_runs(client: MlflowClient, experiments: list[str], query: str) -> list[Run]:
    found: list[Run] = []
    token = None
    while experiments:
        page = client.search_runs(experiments, query, page_token=token)
        found.extend(page)
        token = page.token
        if not token:
            break
    return found
