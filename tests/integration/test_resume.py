"""Stopped in every way, a sweep goes on where it was: no run twice, none left running, the same result in the end."""

import sys
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, Signals

import pytest

from processes import SWEEP, Command, run_sweep, running
from ser.journal import Started, read_events
from ser.report.leaderboard import leaderboard
from ser.training_state import FILE_NAME
from tracked import (
    FinishedSweep,
    check_runs,
    client_of,
    figures,
    journal_of,
    metrics_of,
    n_reports,
    record_of,
    runs_of,
)

pytestmark = pytest.mark.integration


def test_killed_in_the_middle_it_ends_as_if_it_had_never_been(
    tmp_path: Path, finished: FinishedSweep, plan_file: Path, corpus_dir: Path
) -> None:
    words = ["--plan", plan_file, "--corpus-dir", corpus_dir, "--name", "small"]
    with running(sys.executable, SWEEP, *words, folder=tmp_path) as command:
        command.wait_until(lambda: n_reports(tmp_path, "small") >= 8)
        command.signal(SIGKILL)
        assert command.end().code == -SIGKILL
    left = record_of(tmp_path, "small")
    assert left.closed is None
    assert "open" in {trial.outcome for trial in left.trials.values()}
    ended = run_sweep("--resume", "small", folder=tmp_path)
    assert ended.code == 0, ended.seen
    assert ended.stderr == ""
    record = record_of(tmp_path, "small")
    assert figures(leaderboard(record)) == figures(leaderboard(finished.record))
    for key, trial in finished.record.trials.items():
        again = record.trials[key]
        assert (again.outcome, again.asked.values) == (trial.outcome, trial.asked.values)
    journal = journal_of(tmp_path / ".ser", "small")
    assert metrics_of(journal) == metrics_of(finished.journal)
    runs = check_runs(client_of(tmp_path), journal)
    assert runs["parent"].info.status == "FINISHED"
    assert len(list(client_of(tmp_path).search_model_versions("name = 'ser-synthetic'"))) == 2


def test_resuming_what_is_finished_changes_nothing(finished: FinishedSweep) -> None:
    before = journal_of(finished.folder / ".ser", "small").read_bytes()
    ended = run_sweep("--resume", "small", folder=finished.folder)
    assert ended.code == 0, ended.seen
    assert "Best by validation" in ended.stdout
    assert journal_of(finished.folder / ".ser", "small").read_bytes() == before
    check_runs(finished.client, finished.journal)
    assert len(list(finished.client.search_model_versions("name = 'ser-synthetic'"))) == 2


@pytest.fixture(scope="module")
def long_plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One trial that outlives this test."""
    path = tmp_path_factory.mktemp("long") / "long.toml"
    path.write_text(
        'corpus = "synthetic"\ncells = ["lenet5-2d"]\ntrials_per_cell = 1\nmax_epochs = 500\ngrace_epochs = 500\n'
        '[settings]\n"training.patience" = 500\n'
    )
    return path


def stop(command: Command, folder: Path, number: Signals, *, everyone: bool) -> None:
    """Send the signal once three more epochs were reported, and check the orderly end."""
    before = n_reports(folder, "long")
    command.wait_until(lambda: n_reports(folder, "long") >= before + 3)
    command.signal(number, everyone=everyone)
    ended = command.end(timeout_s=90)
    assert ended.code == 130, ended.seen
    assert ended.stderr == ""
    assert "Traceback" not in ended.stdout
    assert "Go on with: python tune/run_sweep.py --resume long" in ended.stdout
    check_stopped(folder, "killed")


def check_stopped(folder: Path, outcome: str) -> None:
    record = record_of(folder, "long")
    assert record.closed is not None
    assert record.closed.outcome == outcome
    assert [trial.outcome for trial in record.trials.values()] == ["killed"]
    runs = check_runs(client_of(folder), journal_of(folder / ".ser", "long"))
    assert runs["parent"].info.status == "KILLED"
    assert runs["parent"].data.tags["ser.outcome"] == outcome


def test_every_way_to_stop_leaves_a_sweep_that_goes_on_from_its_checkpoint(
    tmp_path: Path, long_plan: Path, corpus_dir: Path
) -> None:
    words = ["--plan", long_plan, "--corpus-dir", corpus_dir, "--name", "long"]
    with running(sys.executable, SWEEP, *words, folder=tmp_path) as command:
        command.wait_until(lambda: list(tmp_path.rglob(f"checkpoint_*/{FILE_NAME}")))
        command.signal(SIGKILL)
        assert command.end().code == -SIGKILL
    (run_,) = [run_ for run_ in runs_of(client_of(tmp_path), "long") if run_.data.tags["ser.trial"] != "parent"]
    assert run_.info.status == "RUNNING"
    n_before_kill = n_reports(tmp_path, "long")
    with running(sys.executable, SWEEP, "--resume", "long", folder=tmp_path) as command:
        stop(command, tmp_path, SIGINT, everyone=True)
    assert n_reports(tmp_path, "long") > n_before_kill
    with running(sys.executable, SWEEP, "--resume", "long", folder=tmp_path) as command:
        stop(command, tmp_path, SIGTERM, everyone=False)
    n_before_budget = n_reports(tmp_path, "long")
    ended = run_sweep("--resume", "long", "--time-budget", "12s", folder=tmp_path)
    assert ended.code == 130, ended.seen
    assert "Go on with: python tune/run_sweep.py --resume long" in ended.stdout
    check_stopped(tmp_path, "budget")
    assert n_reports(tmp_path, "long") >= n_before_budget
    starts = [e for _, e in read_events(journal_of(tmp_path / ".ser", "long")) if isinstance(e, Started)]
    assert len(starts) == 4
