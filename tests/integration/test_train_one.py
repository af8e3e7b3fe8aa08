"""A logged run trained again from MLflow alone: the same to the last bit, and a no where it cannot be."""

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from rich.console import Console

from ser.commands.train_one import TrainingResult, check_agreement, load_local_data, refuse_other_clips
from ser.corpora.base import CorpusError
from ser.tracking.client.tracker_error import TrackerError
from ser.tracking.logged_run import LoggedRun, read_run
from tests.support.command_runner import REPOSITORY, Finished, run
from tests.support.sweep_results import FinishedSweep, check_runs

pytestmark = pytest.mark.integration


@pytest.fixture
def copied(finished: FinishedSweep, tmp_path: Path) -> MlflowClient:
    """The tracker of the finished sweep, free to be written to."""
    shutil.copy(finished.folder / "mlflow.db", tmp_path / "mlflow.db")
    return MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")


def a_run(finished: FinishedSweep, outcome: str) -> Run:
    runs = check_runs(finished.client, finished.journal)
    return next(one for one in runs.values() if one.data.tags["ser.outcome"] == outcome and "ser.cell" in one.data.tags)


def train_one(finished: FinishedSweep, folder: Path, *words: object) -> Finished:
    script = REPOSITORY / "tune" / "train_one.py"
    uri = f"sqlite:///{folder}/mlflow.db"
    return run(sys.executable, script, *words, "--home", finished.folder / ".ser", "--tracking-uri", uri, folder=folder)


def test_a_completed_run_is_repeated_to_the_last_bit_without_ray(
    finished: FinishedSweep, copied: MlflowClient, tmp_path: Path
) -> None:
    before = a_run(finished, "completed")
    ended = train_one(finished, tmp_path, f"run={before.info.run_id}", "--log")
    assert ended.code == 0, ended.seen
    assert f"Run {before.info.run_id} agrees exactly: 28 figures of 5 epochs are the same" in ended.stdout
    assert ": 0 computed, " in ended.stdout, "Ray was asked for features that are there"
    assert len(re.findall(r"^epoch +\d of 5: .* left$", ended.stdout, re.MULTILINE)) == 5
    logged = re.search(r"Logged as run (\w+)", ended.stdout)
    assert logged is not None
    again = read_run(copied, logged.group(1))
    assert again.run.data.tags["ser.repeats"] == before.info.run_id
    assert again.run.data.params == before.data.params
    assert again.epochs == read_run(copied, before.info.run_id).epochs
    assert "predictions.csv" in {file.path for file in copied.list_artifacts(again.run.info.run_id)}


def test_a_pruned_run_is_repeated_as_far_as_it_went_and_nothing_is_logged(
    finished: FinishedSweep, copied: MlflowClient, tmp_path: Path
) -> None:
    before = a_run(finished, "pruned")
    n_runs = len(copied.search_runs([before.info.experiment_id]))
    ended = train_one(finished, tmp_path, f"run={before.info.run_id}")
    assert ended.code == 0, ended.seen
    assert "agrees exactly: 10 figures of 2 epochs are the same" in ended.stdout
    assert len(copied.search_runs([before.info.experiment_id])) == n_runs


def test_other_clips_are_refused(finished: FinishedSweep, corpus_dir: Path, tmp_path: Path) -> None:
    """One is missing."""
    logged = read_run(finished.client, a_run(finished, "completed").info.run_id)
    shutil.copytree(corpus_dir, tmp_path / "other")
    first = sorted((tmp_path / "other" / "AudioWAV").iterdir())[0]
    first.unlink()
    data = load_local_data(
        logged.experiment, tmp_path / "other", finished.folder / ".ser" / "features", Console(quiet=True)
    )
    with pytest.raises(CorpusError, match=f"does not hold the clips that run {logged.run.info.run_id} was trained on"):
        refuse_other_clips(data, logged, tmp_path / "other")


def test_what_is_no_training_is_refused(finished: FinishedSweep) -> None:
    runs = check_runs(finished.client, finished.journal)
    with pytest.raises(TrackerError, match="has no run 'nobody'"):
        read_run(finished.client, "nobody")
    with pytest.raises(TrackerError, match="no training of this version"):
        read_run(finished.client, runs["parent"].info.run_id)


def test_agreement_is_exact_within_tolerance_or_none(finished: FinishedSweep) -> None:
    logged = read_run(finished.client, a_run(finished, "completed").info.run_id)
    same = TrainingResult(logged.epochs, logged.test, standard_error=0.05)
    assert check_agreement(logged, same).exact
    rounded = check_agreement(logged, replace(same, epochs=changed(logged, train_loss=1.001)))
    assert (rounded.exact, rounded.agrees) == (False, True)
    assert rounded.summary.startswith(
        "agrees within tolerance, not to the last bit: the loss of epoch 1 differs by 0.1 %"
    )
    for other in (changed(logged, train_loss=1.03), changed(logged, val_uar=1.5)):
        assert not check_agreement(logged, replace(same, epochs=other)).agrees
    assert not check_agreement(logged, replace(same, test=dict.fromkeys(logged.test, 0.0))).exact


def changed(logged: LoggedRun, **factors: float) -> tuple[dict[str, float], ...]:
    """The epochs with some metrics multiplied."""
    return tuple({name: value * factors.get(name, 1.0) for name, value in epoch.items()} for epoch in logged.epochs)
