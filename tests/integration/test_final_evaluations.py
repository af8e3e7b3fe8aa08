"""The final evaluation: added to a finished sweep, killed in its middle, gone on with, and seen in MLflow."""

import csv
import shutil
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from signal import SIGKILL

import pytest

from ser.corpora.base import CORPORA
from ser.experiment.experiment import from_flat
from ser.report.final_table import final_rows
from ser.splits.split import partition
from ser.sweep.journal import FINAL, TrialKey
from ser.sweep.state import SweepState
from ser.tracking.registry.run_evaluations import list_evaluations
from tests.support.command_runner import SWEEP, run_sweep, running
from tests.support.sweep_checks import check_journal
from tests.support.sweep_results import FinishedSweep, check_runs, client_of, metrics_of, record_of

pytestmark = pytest.mark.integration

SPLIT = "speaker-5fold-present"
ADD = ("--final-seeds", "1", "--final-splits", SPLIT, "--folds", "0,2")


def resume(folder: Path) -> list[str]:
    """Options that resume the copy in `folder`, with its own tracker."""
    return ["--resume", "small", "--tracking-uri", f"sqlite:///{folder}/mlflow.db"]


def copied(finished: FinishedSweep, folder: Path) -> FinishedSweep:
    """The finished sweep with its tracker, in another folder."""
    shutil.copytree(finished.folder, folder, dirs_exist_ok=True)
    return FinishedSweep(folder, finished.ended, client_of(folder), finished.record)


@pytest.fixture(scope="module")
def evaluated(finished: FinishedSweep, tmp_path_factory: pytest.TempPathFactory) -> FinishedSweep:
    """The finished sweep to which a final evaluation was added."""
    copy = copied(finished, tmp_path_factory.mktemp("evaluated"))
    ended = run_sweep(*resume(copy.folder), *ADD, folder=copy.folder)
    assert ended.code == 0, ended.seen
    return FinishedSweep(copy.folder, ended, copy.client, record_of(copy.folder, "small"))


def told(record: SweepState) -> dict[TrialKey, tuple[object, ...]]:
    """Results of the final evaluation, without times."""
    return {
        trial.key: (trial.asked.values, trial.outcome, {**trial.ended.test, "train_seconds": None})
        for trial in record.final_trials()
        if trial.ended
    }


def predictions(trial_bundle: str) -> list[dict[str, str]]:
    with (Path(trial_bundle) / "predictions.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_best_of_each_cell_is_trained_on_every_fold(evaluated: FinishedSweep, finished: FinishedSweep) -> None:
    assert evaluated.ended.stderr == ""
    assert "Final evaluation: 4 trainings, about" in evaluated.ended.stdout
    finals = evaluated.record.final_trials()
    assert [(t.key.cell, t.key.number, t.split.fold) for t in finals] == [
        (cell, 3 + at, fold) for cell in ("lenet5-1d", "lenet5-2d") for at, fold in enumerate((0, 2))
    ]
    for trial in finals:
        best = finished.record.best_of_cell(trial.key.cell)
        assert best is not None
        differ = {name for name, value in trial.asked.values.items() if best.asked.values[name] != value}
        assert differ <= {"split.name", "split.fold", "split.selection"}
        assert (trial.outcome, trial.asked.values["split.selection"]) == ("completed", "assignment/0/0")
    for row in final_rows(evaluated.record):
        assert f"{100 * row.uar_mean:.1f} ± {100 * row.uar_deviation:.1f}" in evaluated.ended.stdout


def test_test_clips_are_those_that_selection_has_not_seen(evaluated: FinishedSweep, corpus_dir: Path) -> None:
    clips = CORPORA["synthetic"]().scan(corpus_dir).clips
    chosen = evaluated.record.best_of_cell("lenet5-1d")
    assert chosen is not None
    assert chosen.ended is not None
    seen = {row["clip"] for row in predictions(chosen.ended.bundle) if row["part"] == "validation"}
    assert seen
    for trial in evaluated.record.final_trials():
        assert trial.ended is not None
        cut = partition(clips, from_flat(trial.asked.values).split)
        assert trial.ended.test["split_digest"] == cut.digest
        rows = predictions(trial.ended.bundle)
        tested = {row["clip"] for row in rows if row["part"] == "test"}
        assert tested == {clips[at].name for at in cut.test}
        assert tested.isdisjoint(seen)
        speakers = {part: {row["speaker"] for row in rows if row["part"] == part} for part in ("validation", "test")}
        assert speakers["test"].isdisjoint(speakers["validation"])
        assert not list(Path(trial.ended.bundle).glob("*.safetensors"))


def test_final_runs_are_evidence_and_no_candidates(evaluated: FinishedSweep) -> None:
    runs = check_runs(evaluated.client, evaluated.journal)
    assert runs["parent"].info.status == "FINISHED"
    assert runs["parent"].data.tags["ser.final_folds"] == "0,2"
    experiment = evaluated.client.get_experiment_by_name("synthetic")
    assert experiment is not None
    models = {model.source_run_id for model in evaluated.client.search_logged_models([experiment.experiment_id])}
    for trial in evaluated.record.final_trials():
        run, fold = runs[str(trial.key)], trial.split.fold
        assert run.info.run_name == f"{trial.key.cell} final {SPLIT} {fold} seed 0"
        tags = run.data.tags
        assert (tags["ser.stage"], tags["ser.split"], tags["ser.fold"], tags["ser.seed"]) == (
            FINAL,
            SPLIT,
            str(fold),
            "0",
        )
        assert tags["ser.split_digest"] == trial.ended.test["split_digest"] != evaluated.record.facts.split_digest
        assert "ser.best_of_cell" not in tags
        assert from_flat(run.data.params).flat() == trial.asked.values
        files = {file.path for file in evaluated.client.list_artifacts(run.info.run_id)}
        assert files == {"confusion_matrix.json", "confusion_matrix.png", "predictions.csv"}
        assert run.info.run_id not in models
    parent = runs["parent"].info.run_id
    assert len(evaluated.client.get_metric_history(parent, "best_val_uar")) == 1
    assert len(list(evaluated.client.search_model_versions("name = 'ser-synthetic'"))) == 2


def test_a_search_that_an_older_version_logged_is_known_by_its_final_evaluation(
    evaluated: FinishedSweep, tmp_path: Path
) -> None:
    """Its runs lack the settings that came later; those of the final evaluation have them."""
    old = copied(evaluated, tmp_path)
    best = old.record.best_of_cell("lenet5-1d")
    assert best is not None
    run = check_runs(old.client, old.journal)[str(best.key)]
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        gone = database.execute(
            "DELETE FROM params WHERE run_uuid = ? AND key = 'training.averaging'", (run.info.run_id,)
        )
        assert gone.rowcount == 1
    first, *_, own = list_evaluations(old.client, old.client.get_run(run.info.run_id))
    assert first.key[:2] == (FINAL, SPLIT)
    assert own.key[0] == "run"


def test_killed_in_its_middle_it_ends_as_if_it_had_never_been(
    tmp_path: Path, finished: FinishedSweep, evaluated: FinishedSweep
) -> None:
    copy = copied(finished, tmp_path)

    def n_ended() -> int:
        return sum(trial.outcome == "completed" for trial in record_of(tmp_path, "small").final_trials())

    with running(sys.executable, SWEEP, *resume(tmp_path), *ADD, folder=tmp_path) as command:
        command.wait_until(lambda: n_ended() >= 1)
        command.signal(SIGKILL)
        assert command.end().code == -SIGKILL
    assert 1 <= n_ended() < 4
    ended = run_sweep(*resume(tmp_path), folder=tmp_path)
    assert ended.code == 0, ended.seen
    assert told(record_of(tmp_path, "small")) == told(evaluated.record)
    check_journal(copy.journal)
    assert metrics_of(copy.journal) == metrics_of(evaluated.journal)
    runs = check_runs(copy.client, copy.journal)
    assert Counter(run.data.tags["ser.stage"] for key, run in runs.items() if key != "parent")[FINAL] == 4
