"""The journal sent to a tracker: to another one, twice, and to one that forgot; and who stays champion."""

import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from rich.console import Console

from ser.commands.conclusion import conclude
from ser.commands.exit_codes import UNREGISTERED
from ser.paths import DEFAULT_HOME
from ser.report.leaderboard import rank_cells
from ser.sweep.state import SweepState
from ser.tracking.client.tracker_error import TrackerError
from ser.tracking.publication import Publication
from tests.support.command_runner import run_sweep
from tests.support.sweep_results import FinishedSweep, check_runs, journal_of

pytestmark = pytest.mark.integration


def publish(journal: Path, record: SweepState, uri: str) -> Publication:
    publication = Publication(
        journal, sweep=record.name, sweep_id=record.facts.sweep_id, experiment="synthetic", uri=uri
    )
    with publication:
        assert publication.finish(patience_s=30) == ""
    return publication


@pytest.fixture
def journal(finished: FinishedSweep, tmp_path: Path) -> Path:
    """A copy of the journal of a finished sweep, nothing of which has been sent."""
    return Path(shutil.copy(journal_of(finished.folder / ".ser", finished.record.name), tmp_path))


def test_another_tracker_gets_everything_from_the_beginning(
    finished: FinishedSweep, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "other"):
        uri = f"sqlite:///{tmp_path}/{name}.db"
        publish(journal, finished.record, uri)
        check_runs(MlflowClient(uri), finished.journal)


def test_sent_twice_it_is_there_once(
    finished: FinishedSweep, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/twice.db"
    for _ in range(2):
        journal.with_suffix(".sent").unlink(missing_ok=True)
        publish(journal, finished.record, uri)
    runs = check_runs(MlflowClient(uri), finished.journal)
    experiment = MlflowClient(uri).get_experiment_by_name("synthetic")
    completed = [trial for trial in finished.record.trials.values() if trial.outcome == "completed"]
    assert len(MlflowClient(uri).search_logged_models([experiment.experiment_id])) == len(completed)
    parent = runs["parent"]
    assert parent.data.tags["mlflow.note.content"].startswith(f"# {finished.record.name}: ")
    logged = [item.path for item in MlflowClient(uri).list_artifacts(parent.info.run_id, "report")]
    assert sorted(logged) == ["report/report.html", "report/report.md", "report/tables"]


def test_a_tracker_that_forgot_the_sweep_gets_it_again(
    finished: FinishedSweep, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/forgetful.db"
    publish(journal, finished.record, uri)
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("synthetic")
    for run in client.search_runs([experiment.experiment_id]):
        client.delete_run(run.info.run_id)
    publish(journal, finished.record, uri)
    check_runs(client, finished.journal)


def test_champion_stays_with_a_better_model_on_the_same_clips(
    finished: FinishedSweep, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/champion.db"
    publication = publish(journal, finished.record, uri)
    registration = publication.register(finished.record, scope="cells")
    best, *_, worst = rank_cells(finished.record)
    assert registration.promotion.verdict.better
    assert registration.aliases["candidate"] == registration.aliases[best.cell]
    assert best.val_uar > worst.val_uar
    weaker = replace(
        finished.record, trials={key: t for key, t in finished.record.trials.items() if key.cell == worst.cell}
    )
    again = publication.register(weaker, scope="cells")
    assert again.aliases == {
        worst.cell: registration.aliases[worst.cell],
        "candidate": registration.aliases[worst.cell],
    }
    assert not again.promotion.verdict.better
    assert "worse" in again.promotion.verdict.reason
    client = MlflowClient(uri)
    aliases = client.get_registered_model("ser-synthetic").aliases
    assert str(aliases["champion"]) == registration.aliases[best.cell]
    assert "previous" not in aliases
    assert len(client.search_model_versions("name = 'ser-synthetic'")) == 2


def test_what_cannot_be_registered_is_not_blamed_on_the_tracker(
    finished: FinishedSweep, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The predictions are gone from the store: to resume would not bring them back."""
    monkeypatch.chdir(tmp_path)
    publication = publish(journal, finished.record, f"sqlite:///{tmp_path}/lost.db")
    lost = list(tmp_path.rglob("predictions.csv"))
    assert lost
    for path in lost:
        path.unlink()
    seen = StringIO()
    console = Console(file=seen)
    code = conclude(finished.record, publication, resume="again", home=DEFAULT_HOME, scope="cells", console=console)
    assert code == UNREGISTERED
    assert "The best models could not be registered: run " in seen.getvalue()
    assert "has no predictions.csv" in seen.getvalue()
    assert "again" not in seen.getvalue()


def test_an_error_without_a_message_is_told_by_its_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, uri = tmp_path / "journal.jsonl", f"sqlite:///{tmp_path}/any.db"
    journal.touch()
    publication = Publication(journal, sweep="any", sweep_id="0", experiment="synthetic", uri=uri)

    def silent(*_: object, **__: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(publication, "_connect", silent)
    with pytest.raises(TrackerError, match="ConnectionError: without a message"):
        publication.build_comparison_url("http://127.0.0.1:5000")


def test_a_sweep_of_the_same_name_is_another_sweep(
    finished: FinishedSweep, journal: Path, tmp_path: Path, corpus_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/shared.db"
    publish(journal, finished.record, uri)
    words = ["--plan", "demo", "--corpus-dir", corpus_dir, "--name", finished.record.name, "--cells", "lenet5-1d"]
    words += ["--trials-per-cell", "1", "--max-epochs", "1", "--register", "champion", "--tracking-uri", uri]
    words += ["training.precision=float32", "training.memory_format=contiguous"]
    ended = run_sweep(*words, folder=tmp_path)
    assert ended.code == 0, ended.seen
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("synthetic")
    parents = client.search_runs([experiment.experiment_id], "tags.`ser.trial` = 'parent'")
    assert len({run.data.tags["ser.sweep_id"] for run in parents}) == len(parents) == 2
