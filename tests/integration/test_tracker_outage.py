"""A tracker that dies, comes back or never comes: training goes on, nothing is lost, nothing is sent twice."""

import contextlib
import sys
from pathlib import Path

import pytest

from processes import SWEEP, run_sweep, running
from tracked import check_runs, journal_of, n_reports, record_of
from trackers import Tracker

pytestmark = pytest.mark.integration


@pytest.fixture
def words(plan_file: Path, corpus_dir: Path) -> list[object]:
    """Two trials of five epochs, one after the other."""
    return ["--plan", plan_file, "--corpus-dir", corpus_dir, "--cells", "lenet5-1d", "--trials-per-cell", "2"]


def check_all_is_there(tracker: Tracker, folder: Path, sweep: str) -> None:
    client = tracker.client()
    runs = check_runs(client, journal_of(folder / ".ser", sweep))
    assert runs["parent"].info.status == "FINISHED"
    for run in runs.values():
        names = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert names >= {"confusion_matrix.json", "confusion_matrix.png"} or run is runs["parent"]
    assert set(client.get_registered_model("ser-synthetic").aliases) == {"lenet5-1d", "candidate", "champion"}


def test_a_tracker_that_is_killed_and_comes_back_gets_everything_once(tmp_path: Path, words: list[object]) -> None:
    tracker = Tracker(tmp_path / "tracker")
    words += ["--tracking-uri", tracker.uri, "--name", "outage"]
    with contextlib.ExitStack() as stack:
        with tracker:
            sweep = stack.enter_context(running(sys.executable, SWEEP, *words, folder=tmp_path))
            sweep.wait_until(lambda: n_reports(tmp_path, "outage") >= 2)
        sweep.wait_until(lambda: n_reports(tmp_path, "outage") >= 6)
        with tracker:
            ended = sweep.end()
            assert ended.code == 0, ended.seen
            assert ended.stderr == ""
            check_all_is_there(tracker, tmp_path, "outage")


def test_a_sweep_ends_without_its_tracker_and_a_resume_sends_the_rest(tmp_path: Path, words: list[object]) -> None:
    tracker = Tracker(tmp_path / "tracker")
    ended = run_sweep(*words, "--tracking-uri", tracker.uri, "--name", "alone", folder=tmp_path)
    assert ended.code == 3, ended.seen
    assert ended.stderr == ""
    assert "Traceback" not in ended.stdout
    assert f"The tracker {tracker.uri} did not take everything" in ended.stdout
    assert "sends the rest and registers the models: python tune/run_sweep.py --resume alone" in ended.stdout
    assert {trial.outcome for trial in record_of(tmp_path, "alone").trials.values()} <= {"completed", "pruned"}
    with tracker:
        resumed = run_sweep("--resume", "alone", folder=tmp_path)
        assert resumed.code == 0, resumed.seen
        check_all_is_there(tracker, tmp_path, "alone")
