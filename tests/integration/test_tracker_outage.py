"""A tracker that is away at first, dies in the middle and comes back too late: nothing is lost, nothing sent twice."""

import sys
from pathlib import Path

import pytest

from ser.tracking.writer import read_sent_position
from tests.support.command_runner import SWEEP, run_sweep, running
from tests.support.mlflow_server import Tracker
from tests.support.sweep_results import check_runs, journal_of, n_reports, record_of

pytestmark = pytest.mark.integration


def test_a_sweep_trains_and_ends_without_its_tracker_and_a_resume_sends_the_rest(
    tmp_path: Path, plan_file: Path, corpus_dir: Path
) -> None:
    tracker, journal = Tracker(tmp_path / "tracker"), journal_of(tmp_path / ".ser", "alone")
    words = ["--plan", plan_file, "--corpus-dir", corpus_dir, "--cells", "lenet5-1d", "--trials-per-cell", "2"]
    words += ["--tracking-uri", tracker.uri, "--name", "alone"]
    with running(sys.executable, SWEEP, *words, folder=tmp_path) as sweep:
        sweep.wait_until(lambda: n_reports(tmp_path, "alone") >= 2)
        with tracker:
            sweep.wait_until(lambda: read_sent_position(journal)[1] > 0)
        ended = sweep.end()
    assert ended.code == 3, ended.seen
    assert ended.stderr == ""
    assert "Traceback" not in ended.stdout
    assert f"The tracker {tracker.uri} did not accept everything" in ended.stdout
    assert "sends the rest and registers the models: python tune/run_sweep.py --resume alone" in ended.stdout
    assert {trial.outcome for trial in record_of(tmp_path, "alone").trials.values()} <= {"completed", "pruned"}
    with tracker:
        resumed = run_sweep("--resume", "alone", folder=tmp_path)
        assert resumed.code == 0, resumed.seen
        client = tracker.client()
        runs = check_runs(client, journal)
        assert runs["parent"].info.status == "FINISHED"
        for run in runs.values():
            names = {file.path for file in client.list_artifacts(run.info.run_id)}
            assert names >= {"confusion_matrix.json", "confusion_matrix.png"} or run is runs["parent"]
        assert set(client.get_registered_model("ser-synthetic").aliases) == {"lenet5-1d", "candidate", "champion"}
