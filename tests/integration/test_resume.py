"""Killed or out of time, a sweep goes on where it was: no run twice, none left running, the same result in the end."""

import sys
from pathlib import Path
from signal import SIGKILL

import pytest

from ser.report.leaderboard import rank_cells
from ser.sweep.journal import Started, read_events
from ser.training.checkpoint import FILE_NAME
from tests.support.command_runner import SWEEP, run_sweep, running
from tests.support.sweep_results import (
    FinishedSweep,
    check_runs,
    check_stopped,
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
    assert figures(rank_cells(record)) == figures(rank_cells(finished.record))
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
        '"training.precision" = "float32"\n"training.memory_format" = "contiguous"\n'
    )
    return path


def test_a_killed_sweep_goes_on_from_its_checkpoint_until_its_time_is_up(
    tmp_path: Path, long_plan: Path, corpus_dir: Path
) -> None:
    """The other ways to stop one are in `tests/support/injected_faults.py`."""
    words = ["--plan", long_plan, "--corpus-dir", corpus_dir, "--name", "long"]
    with running(sys.executable, SWEEP, *words, folder=tmp_path) as command:
        command.wait_until(lambda: list(tmp_path.rglob(f"checkpoint_*/{FILE_NAME}")))
        command.signal(SIGKILL)
        assert command.end().code == -SIGKILL
    (run_,) = [run_ for run_ in runs_of(client_of(tmp_path), "long") if run_.data.tags["ser.trial"] != "parent"]
    assert run_.info.status == "RUNNING"
    n_before_kill = n_reports(tmp_path, "long")
    ended = run_sweep("--resume", "long", "--time-budget", "40s", folder=tmp_path)
    assert ended.stderr == ""
    check_stopped(client_of(tmp_path), journal_of(tmp_path / ".ser", "long"), ended, outcome="budget")
    assert [trial.outcome for trial in record_of(tmp_path, "long").trials.values()] == ["killed"]
    assert n_reports(tmp_path, "long") > n_before_kill
    starts = [e for _, e in read_events(journal_of(tmp_path / ".ser", "long")) if isinstance(e, Started)]
    assert len(starts) == 2
