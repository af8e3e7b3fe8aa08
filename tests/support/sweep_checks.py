"""What must be true of a sweep that came to its end, whatever was done to it."""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import torch
from mlflow.entities import LoggedModel, LoggedModelStatus
from mlflow.tracking import MlflowClient

from ser.experiment.experiment import from_flat
from ser.experiment.trial import Trial, validation_metrics
from ser.report.leaderboard import leaderboard
from ser.sweep.journal import SEARCH, Asked, Ended, Reported, TrialKey, read_events
from ser.sweep.state import TERMINAL_OUTCOMES, SweepState, replay
from tests.support.epoch_reports import reports_of
from tests.support.sweep_results import check_runs, figures, metrics_of, runs_of
from tests.support.trial_inputs import trial_data


@dataclass(frozen=True)
class Tally:
    """A sweep in MLflow, counted.

    Attributes:
        runs: of it.
        duplicates: runs beyond one per trial and parent, points beyond one per run, metric and step, and models
            beyond one per run.
        zombies: runs that are still running.
        lost: points of the journal that are not there.
    """

    runs: int = 0
    duplicates: int = 0
    zombies: int = 0
    lost: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def tally(client: MlflowClient, journal: Path) -> Tally:
    """Count what MLflow has of the sweep of `journal`."""
    record, reported = replay(journal), reports_of(journal)
    runs = runs_of(client, record.name)
    points = [
        (run.data.tags["ser.trial"], name, point.step, point.value)
        for run in runs
        for name in run.data.metrics
        for point in client.get_metric_history(run.info.run_id, name)
    ]
    sent = {
        (str(key), name, epoch, value)
        for key, reports in reported.items()
        for epoch, report in reports.items()
        for name, value in report.metrics.items()
    }
    duplicates = (
        _n_beyond_one(run.data.tags["ser.trial"] for run in runs),
        _n_beyond_one(point[:3] for point in points),
        _n_beyond_one(model.source_run_id for model in _models(client)),
    )
    zombies = sum(run.info.status == "RUNNING" for run in runs)
    return Tally(len(runs), sum(duplicates), zombies, len(sent.difference(points)))


def check_end(client: MlflowClient, journal: Path) -> None:
    """The sweep is finished; completed trials have their test confusion matrix, and those of the search their model."""
    check_journal(journal)
    record, runs = replay(journal), check_runs(client, journal)
    assert runs["parent"].info.status == "FINISHED"
    ours = {run.info.run_id for run in runs.values()}
    models = {model.source_run_id: model for model in _models(client) if model.source_run_id in ours}
    trials = [trial for trial in record.trials.values() if trial.outcome == "completed"]
    completed = {runs[str(trial.key)].info.run_id for trial in trials}
    assert models.keys() == {runs[str(trial.key)].info.run_id for trial in trials if trial.stage == SEARCH}
    assert {model.status for model in models.values()} <= {LoggedModelStatus.READY}
    for run_id in completed:
        assert {file.path for file in client.list_artifacts(run_id)} >= {"confusion_matrix.json", "predictions.csv"}
    aliases = client.get_registered_model("ser-synthetic").aliases.keys()
    assert aliases - {"previous"} == {*record.plan.cells, "candidate", "champion"}


def check_journal(journal: Path) -> None:
    """Each trial is asked for once, reports its epochs in order, and nothing more once it has ended for good."""
    asked, ended = Counter[tuple[str, int]](), set[tuple[str, int]]()
    for _, event in read_events(journal):
        if isinstance(event, Asked | Reported | Ended):
            trial = (event.cell, event.number)
            assert trial not in ended, f"{trial} ended for good, and then {event.kind}"
            asked[trial] += isinstance(event, Asked)
            if isinstance(event, Ended) and event.outcome in TERMINAL_OUTCOMES:
                ended.add(trial)
    assert set(asked.values()) == {1}
    assert asked.keys() == ended
    for key, reports in reports_of(journal).items():
        assert sorted(reports) == list(range(1, len(reports) + 1)), f"{key} lacks an epoch"


def check_equal(journal: Path, undisturbed: Path) -> None:
    """Two sweeps of one name and seed, one trial at a time, asked the same, decided the same and found the same."""
    ours, theirs = replay(journal), replay(undisturbed)
    assert figures(leaderboard(ours)) == figures(leaderboard(theirs))
    assert _told(ours) == _told(theirs)
    assert metrics_of(journal) == metrics_of(undisturbed)


def interrupted(record: SweepState, moments: Sequence[float]) -> list[TrialKey]:
    """The completed trials that were under way at one of the moments."""
    return [
        key
        for key, trial in record.trials.items()
        if trial.ended
        and trial.outcome == "completed"
        and any(trial.asked.time_s < moment < trial.ended.time_s for moment in moments)
    ]


def continued(journal: Path, key: TrialKey) -> bool:
    """Whether a completed trial computed each of its epochs once: its seconds are those of its first reports."""
    trial = replay(journal).trials[key]
    assert trial.ended is not None
    seconds = sum(report.seconds for report in reports_of(journal)[key].values())
    return math.isclose(trial.ended.test["train_seconds"], seconds, rel_tol=1e-9)


def check_repeated(client: MlflowClient, journal: Path, key: TrialKey) -> None:
    """A trial repeated from its logged params alone gives the same metrics in every epoch."""
    (run,) = [run for run in runs_of(client, key.sweep) if run.data.tags["ser.trial"] == str(key)]
    experiment = from_flat(run.data.params)
    data = trial_data(experiment, Path(replay(journal).facts.corpus_dir))
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        again = {epoch.epoch: validation_metrics(epoch) for epoch in Trial(experiment, data).epochs()}
    finally:
        torch.set_num_threads(n_threads)
    first = metrics_of(journal)[key]
    assert again == first, f"{key} gave\n{first}\nand, repeated,\n{again}"


def _told(record: SweepState) -> dict[TrialKey, tuple[str, dict[str, object]]]:
    return {key: (trial.outcome, dict(trial.asked.values)) for key, trial in record.trials.items()}


def _models(client: MlflowClient) -> list[LoggedModel]:
    experiment = client.get_experiment_by_name("synthetic")
    assert experiment is not None
    return list(client.search_logged_models([experiment.experiment_id]))


def _n_beyond_one(things: Iterable[Hashable]) -> int:
    return sum(count - 1 for count in Counter(things).values())
