"""Checks of a tracker before a long sweep: its address, its answer in time, and its errors."""

import socket
import sqlite3
import time
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from ser.doctor.finding import Level, fine, problem
from ser.doctor.sweeps import FoundSweep
from ser.doctor.tracker import as_warning, is_serving, list_trackers, tracker_findings
from ser.sweep.facts import SweepFacts
from ser.sweep.folder import SweepFolder
from ser.sweep.journal import Closed
from ser.sweep.state import SweepState
from ser.tracking.client.deadline import ask_tracker
from ser.tracking.client.server import read_server_version
from ser.tracking.client.tracker_error import TrackerError
from ser.tracking.client.uri import check_reachable, find_database_file, find_local_folder, resolve_tracking_uri
from ser.tracking.writer import read_sent_position

URI = "http://127.0.0.1:5000"


@pytest.fixture
def silent_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_addresses_tell_files_of_this_machine() -> None:
    assert find_database_file("sqlite:////a/b%20c.db") == Path("/a/b c.db")
    assert find_database_file(URI) is None
    assert find_local_folder("file:///a/b%20c/1") == find_local_folder("/a/b c/1") == Path("/a/b c/1")
    assert find_local_folder("mlflow-artifacts:/1") is None
    assert find_local_folder("s3://bucket/1") is None


def test_the_tracker_that_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", URI)
    assert resolve_tracking_uri(None) == URI
    assert resolve_tracking_uri("sqlite:///x.db") == "sqlite:///x.db"


def test_the_trackers_of_unfinished_sweeps_are_looked_at_too() -> None:
    def sweep(uri: str, **changes: object) -> FoundSweep:
        found = FoundSweep(SweepFolder(Path("s")), state=SweepState(name="s", facts=SweepFacts(tracking_uri=uri)))
        for name, value in changes.items():
            setattr(found, name, value)
        return found

    done = sweep("http://done")
    done.state.closed = Closed("finished")
    unsent = sweep("http://unsent", n_unsent=3)
    unsent.state.closed = Closed("finished")
    sweeps = [done, unsent, sweep("http://open"), sweep(URI), FoundSweep(SweepFolder(Path("never-began")))]
    assert list_trackers(URI, sweeps) == [URI, "http://unsent", "http://open"]


def test_an_address_where_nobody_listens(silent_port: int) -> None:
    with pytest.raises(OSError, match="refused"):
        check_reachable(f"http://127.0.0.1:{silent_port}", timeout_s=5)
    with pytest.raises(TrackerError, match=rf"nothing answers at http://127.0.0.1:{silent_port} .*: start it \(mlflow"):
        read_server_version(f"http://127.0.0.1:{silent_port}")
    with pytest.raises(TrackerError, match=r"nothing answers at postgresql://me:\*\*\*@127.*: start the database"):
        read_server_version(f"postgresql://me:secret@127.0.0.1:{silent_port}/mlflow")


def test_a_server_that_accepts_the_connection_but_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ser.tracking.client.server._PATIENCE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(
            TrackerError, match=r"accepts the connection but gives no answer in 0\.2 s: look at its log"
        ):
            read_server_version(uri)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_text("this is text, and rather more of it than a header of SQLite has" * 3)
    with pytest.raises(sqlite3.Error, match="not a database"):
        check_reachable(f"sqlite:///{path}", timeout_s=5)
    with pytest.raises(TrackerError, match=r"cannot be used as a database .*: restore a copy"):
        list(tracker_findings(f"sqlite:///{path}"))


def test_a_database_that_is_not_there_yet_is_fine_and_not_made(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    (finding,) = tracker_findings(uri)
    assert (finding.level, "the first sweep creates it" in finding.found) == (Level.OK, True)
    assert not is_serving(uri)
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("in the way")
    (finding,) = tracker_findings(f"sqlite:///{tmp_path}/file/mlflow.db")
    assert (finding.level, "cannot be written to" in finding.found) == (Level.PROBLEM, True)


def test_an_answer_is_returned() -> None:
    assert ask_tracker(URI, lambda: 7) == 7


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (TrackerError("as it is"), ["as it is"]),
        (ModuleNotFoundError("no", name="psycopg2"), ["needs the module psycopg2", "pip install"]),
        (MlflowException("Detected out-of-date database schema (found x)"), ["another version", "mlflow db upgrade"]),
        (ConnectionError("no: reset\nby peer"), ["an error instead of an answer (no: reset): look at its log"]),
        (MlflowException("got unsupported URI 'x'"), ["is no tracker that MLflow knows: give http://"]),
        (
            MlflowException("The backend is in maintenance mode"),
            ["a folder", "sqlite:///mlflow.db", "migrate-filestore"],
        ),
        (ValueError(), ["(ValueError)"]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_becomes_one_line_with_a_remedy(error: Exception, parts: list[str]) -> None:
    def request() -> None:
        raise error

    with pytest.raises(TrackerError) as refused:
        ask_tracker(URI, request)
    for part in parts:
        assert part in str(refused.value)


def test_a_tracker_that_hangs_is_given_up() -> None:
    with pytest.raises(TrackerError, match=r"gave no answer in 0\.05 s"):
        ask_tracker(URI, lambda: time.sleep(0.5), longest_s=0.05)


def test_how_far_a_journal_was_sent(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    assert read_sent_position(journal) == ("", 0)
    journal.with_suffix(".sent").write_text('{"uri": "http://x", "offset": 12}')
    assert read_sent_position(journal) == ("http://x", 12)
    journal.with_suffix(".sent").write_text('["torn')
    assert read_sent_position(journal) == ("", 0)


def test_what_is_wrong_with_an_earlier_sweep_s_tracker_is_a_warning() -> None:
    finding = as_warning(problem("tracker", "it is gone", remedy="start it"))
    assert (finding.level, finding.remedy) == (Level.WARNING, "start it")
    assert finding.found == "it is gone; only earlier sweeps write to it"
    assert as_warning(fine("tracker", "well")) == fine("tracker", "well")
