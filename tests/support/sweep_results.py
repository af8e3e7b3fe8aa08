"""What a sweep left behind: its journal, its runs in MLflow, and the laws that tie one to the other."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from ser.report.leaderboard import LeaderboardRow
from ser.sweep.journal import ABLATION, Reported, TrialKey, read_events
from ser.sweep.state import SweepState, replay
from tests.support.command_runner import Finished
from tests.support.epoch_reports import reports_of

PER_EPOCH = ("train_loss", "val_loss", "val_uar", "val_accuracy", "val_macro_f1")
ONCE = ("test_uar", "test_accuracy", "test_macro_f1")
STATUS = {"completed": "FINISHED", "pruned": "KILLED", "failed": "FAILED", "killed": "KILLED"}


@dataclass(frozen=True)
class FinishedSweep:
    """A sweep that ran undisturbed, in `folder`, with the default tracker."""

    folder: Path
    ended: Finished
    client: MlflowClient
    record: SweepState

    @property
    def journal(self) -> Path:
        return journal_of(self.folder / ".ser", self.record.name)


def journal_of(home: Path, sweep: str) -> Path:
    return home / "sweeps" / sweep / "journal.jsonl"


def record_of(folder: Path, sweep: str) -> SweepState:
    """The sweep whose journal is in the default home of `folder`."""
    return replay(journal_of(folder / ".ser", sweep))


def n_reports(folder: Path, sweep: str) -> int:
    """Epochs reported so far; 0 before the journal is there."""
    path = journal_of(folder / ".ser", sweep)
    return sum(isinstance(event, Reported) for _, event in read_events(path)) if path.exists() else 0


def client_of(folder: Path) -> MlflowClient:
    """The default tracker of a sweep that ran in `folder`."""
    return MlflowClient(f"sqlite:///{folder}/mlflow.db")


def runs_of(client: MlflowClient, sweep: str) -> list[Run]:
    experiment = client.get_experiment_by_name("synthetic")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], f"tags.`ser.sweep` = '{sweep}'"))


def figures(rows: list[LeaderboardRow]) -> list[tuple[object, ...]]:
    """All of the table but the seconds of training."""
    return [
        (row.cell, row.key, row.n_completed, row.n_trials, row.val_uar, row.test_uar, row.n_parameters) for row in rows
    ]


def metrics_of(journal: Path) -> dict[TrialKey, dict[int, dict[str, float]]]:
    """What each trial reported of each epoch."""
    return {key: {epoch: r.metrics for epoch, r in reports.items()} for key, reports in reports_of(journal).items()}


def check_runs(client: MlflowClient, journal: Path) -> dict[str, Run]:
    """Every trial of the journal is one run, whole and true, and nothing else is there: runs by their key."""
    record, reported = replay(journal), reports_of(journal)
    runs = runs_of(client, record.name)
    counts = Counter(run.data.tags["ser.trial"] for run in runs)
    assert counts == Counter({"parent": 1, **{str(key): 1 for key in record.trials}})
    by_key = {run.data.tags["ser.trial"]: run for run in runs}
    for key, trial in record.trials.items():
        run = by_key[str(key)]
        assert run.info.status == STATUS[trial.outcome], f"{key} is {trial.outcome}"
        assert run.data.tags["ser.outcome"] == trial.outcome
        assert run.data.tags["mlflow.parentRunId"] == by_key["parent"].info.run_id
        for name in PER_EPOCH:
            points = client.get_metric_history(run.info.run_id, name)
            sent = sorted((point.step, point.value) for point in points)
            assert sent == [(epoch, reported[key][epoch].metrics[name]) for epoch in range(1, trial.n_epochs + 1)]
        for name in ONCE:
            n_points = len(client.get_metric_history(run.info.run_id, name)) if name in run.data.metrics else 0
            has_it = trial.outcome == "completed" and not (trial.stage == ABLATION and name.startswith("test_"))
            assert n_points == has_it, f"{key} has {n_points} points of {name}"
    return by_key


def check_stopped(client: MlflowClient, journal: Path, ended: Finished, *, outcome: str) -> None:
    """An orderly stop: the user is told how to go on, the journal how it ended, and no run is left open."""
    record = replay(journal)
    assert ended.code == 130, ended.seen
    assert f"Resume with: python tune/run_sweep.py --resume {record.name}" in ended.stdout
    assert record.closed is not None
    assert record.closed.outcome == outcome
    runs = check_runs(client, journal)
    assert runs["parent"].info.status == "KILLED"
    assert runs["parent"].data.tags["ser.outcome"] == outcome
