"""Runs that no process writes any more: closed as in their journal, and only while no driver can start."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ser.doctor.finding import Finding, Level
from ser.doctor.open_runs import open_run_findings
from ser.doctor.sweeps import find_sweeps
from ser.sweep.journal import Asked, Closed, Ended, Event, Journal, JournalError, Reported, Started
from ser.tracking.client.tracker_error import TrackerError
from ser.tracking.open_runs import close_runs, find_open_runs

CELL = "lenet5-1d"
METRICS = {"val_uar": 0.5, "val_loss": 1.0}
BEGUN: list[Event] = [
    Started("s", {"cells": [CELL]}, {"sweep_id": "7"}, time_s=1),
    *(Asked(CELL, number, {}, {}, time_s=2) for number in range(3)),
    Ended(CELL, 0, "completed", time_s=10),
    Ended(CELL, 1, "failed", time_s=11),
    Ended(CELL, 2, "killed", time_s=12),
]
TAKEN_UP: list[Event] = [
    *BEGUN,
    Closed("killed", time_s=13),
    Started("s", {"cells": [CELL]}, {"sweep_id": "7"}, time_s=20),
    Reported(CELL, 2, 1, METRICS, [[1]], False, time_s=21),
]
FINISHED: list[Event] = [*TAKEN_UP, Ended(CELL, 2, "pruned", time_s=22), Closed("finished", time_s=23)]
KEYS = ("parent", *(f"s/{CELL}/{number:03d}" for number in range(3)))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    """A tracker in a file."""
    return MlflowClient(f"sqlite:///{tmp_path_factory.mktemp('tracker')}/mlflow.db")


@pytest.fixture
def of_tracker(client: MlflowClient) -> Callable[[], dict[str, Run]]:
    """Looks at the four runs of the sweep, all of them open, by their key."""
    experiment = client.create_experiment(str(time.time_ns()))
    for run in client.search_runs([each.experiment_id for each in client.search_experiments()]):
        client.delete_run(run.info.run_id)
    for key in KEYS:
        client.create_run(experiment, start_time=1, tags={"ser.sweep": "s", "ser.sweep_id": "7", "ser.trial": key})
    return lambda: {run.data.tags["ser.trial"]: run for run in client.search_runs([experiment])}


def swept(home: Path, events: list[Event], *, sent: bool = True) -> Path:
    """The journal of a sweep of these events that no driver has."""
    path = home / "sweeps" / "s" / "journal.jsonl"
    journal = Journal(path)
    for event in events:
        journal.append(event)
    journal.close()
    if sent:
        path.with_suffix(".sent").write_text(f'{{"uri": "x", "offset": {path.stat().st_size}}}')
    return path


def found(client: MlflowClient, home: Path) -> Finding:
    (finding,) = open_run_findings(client.tracking_uri, home, find_sweeps(home))
    return finding


def ends(runs: dict[str, Run]) -> list[tuple[str, float]]:
    return [(runs[key].info.status, (runs[key].info.end_time or 0) / 1000) for key in KEYS]


def test_runs_of_a_finished_sweep_are_closed_with_their_outcomes(
    tmp_path: Path, client: MlflowClient, of_tracker: Callable[[], dict[str, Run]]
) -> None:
    swept(tmp_path, FINISHED)
    finding = found(client, tmp_path)
    assert (finding.level, "4 open" in finding.found) == (Level.WARNING, True)
    assert "--fix" in finding.remedy
    assert "--resume" not in finding.remedy, "which closes none of them"
    assert finding.fix is not None
    assert finding.fix() == "closed 4 runs of s with the outcomes of the journal: 1 FAILED, 2 FINISHED, 1 KILLED"
    assert ends(of_tracker()) == [("FINISHED", 23), ("FINISHED", 10), ("FAILED", 11), ("KILLED", 22)]


def test_unfinished_runs_are_closed_as_killed_at_the_time_of_the_last_event(
    tmp_path: Path, client: MlflowClient, of_tracker: Callable[[], dict[str, Run]]
) -> None:
    swept(tmp_path, TAKEN_UP)
    finding = found(client, tmp_path)
    assert finding.remedy.startswith("python tune/run_sweep.py --resume s")
    assert finding.fix is not None
    assert "resuming the sweep reopens" in finding.fix()
    assert ends(of_tracker()) == [("KILLED", 21), ("FINISHED", 10), ("FAILED", 11), ("KILLED", 21)]


@pytest.mark.usefixtures("of_tracker")
def test_a_finished_sweep_that_is_not_sent_is_resumed(tmp_path: Path, client: MlflowClient) -> None:
    swept(tmp_path, FINISHED, sent=False)
    finding = found(client, tmp_path)
    assert finding.remedy.startswith("python tune/run_sweep.py --resume s")
    assert finding.fix is not None


def test_the_journal_is_read_again_when_runs_are_closed(
    tmp_path: Path, client: MlflowClient, of_tracker: Callable[[], dict[str, Run]]
) -> None:
    swept(tmp_path, TAKEN_UP)
    finding = found(client, tmp_path)
    swept(tmp_path, FINISHED[len(TAKEN_UP) :])
    assert finding.fix is not None
    finding.fix()
    assert ends(of_tracker())[0] == ("FINISHED", 23)


@pytest.mark.usefixtures("of_tracker")
def test_runs_of_a_damaged_journal_are_left_alone(tmp_path: Path, client: MlflowClient) -> None:
    path = swept(tmp_path, FINISHED)
    path.write_bytes(path.read_bytes().replace(b'"failed"', b'"filled"'))
    finding = found(client, tmp_path)
    assert (finding.level, finding.fix) == (Level.WARNING, None)
    assert "the journal is damaged" in finding.found


def test_no_run_is_closed_once_its_journal_is_released(
    tmp_path: Path,
    client: MlflowClient,
    of_tracker: Callable[[], dict[str, Run]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = swept(tmp_path, TAKEN_UP)
    close = MlflowClient.set_terminated

    def closes_late(self: MlflowClient, run_id: str, status: str, end_time: int) -> None:
        time.sleep(0.2)
        with pytest.raises(JournalError, match="held by another process"):
            Journal(path)
        close(self, run_id, status=status, end_time=end_time)

    def impatient(uri: str, ends: dict[str, tuple[str, float]]) -> None:
        close_runs(uri, ends, longest_s=0.05)

    monkeypatch.setattr(MlflowClient, "set_terminated", closes_late)
    monkeypatch.setattr("ser.doctor.open_runs.close_runs", impatient)
    finding = found(client, tmp_path)
    assert finding.fix is not None
    with pytest.raises(TrackerError, match=r"closed 1 of 4 runs in 0\.05 s: look at its log"):
        finding.fix()
    Journal(path).close()
    time.sleep(0.5)
    assert [run.info.status for run in of_tracker().values()].count("RUNNING") == 3


def test_an_error_while_runs_are_closed_becomes_one_line(client: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise MlflowException("no room")

    monkeypatch.setattr(MlflowClient, "set_terminated", refuse)
    with pytest.raises(TrackerError, match=r"gave an error instead of an answer \(no room\)"):
        close_runs(client.tracking_uri, {"1": ("KILLED", 1.0)})


@pytest.mark.usefixtures("of_tracker")
def test_open_runs_name_their_trials(client: MlflowClient) -> None:
    (runs,) = find_open_runs(client.tracking_uri)
    assert (runs.sweep, runs.sweep_id, set(runs.keys.values())) == ("s", "7", set(KEYS))
