"""A finished sweep as MLflow has it: runs, statuses, metrics, params, artefacts, models, registry."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from mlflow.artifacts import download_artifacts
from mlflow.entities import LoggedModel
from safetensors.numpy import load_file

from ser.experiment.bundle import load_bundle
from ser.experiment.experiment import from_flat
from ser.report.leaderboard import leaderboard
from tests.support.command_runner import run
from tests.support.sweep_results import FinishedSweep, check_runs

pytestmark = pytest.mark.integration

CELLS = ("lenet5-1d", "lenet5-2d")
# Text, and a format that holds numbers and nothing else.
PLAIN = {
    ".css", ".csv", ".html", ".jinja", ".js", ".json", ".md", ".py", ".safetensors", ".svg", ".toml", ".txt", ".yaml",
    "MLmodel", "registered_model_meta",
}  # fmt: skip


def artefact(sweep: FinishedSweep, run_id: str, name: str) -> Path:
    uri = f"runs:/{run_id}/{name}"
    return Path(download_artifacts(artifact_uri=uri, tracking_uri=f"sqlite:///{sweep.folder}/mlflow.db"))


def model_of(sweep: FinishedSweep, run_id: str) -> LoggedModel:
    experiment = sweep.client.get_experiment_by_name("synthetic")
    (model,) = sweep.client.search_logged_models([experiment.experiment_id], f"source_run_id = '{run_id}'")
    return model


def test_the_user_sees_the_table_the_champion_and_the_next_commands(finished: FinishedSweep) -> None:
    seen = finished.ended.stdout
    assert finished.ended.stderr == ""
    assert "Traceback" not in seen
    assert "360 of 360 clips, 10 of 10 speakers" in seen
    best = leaderboard(finished.record)[0]
    assert f"Best by validation: {best.cell} (trial {best.key})" in seen
    assert "Registered: ser-synthetic, versions by alias: candidate 1, " in seen
    assert "champion moves to version 1: there is no champion yet" in seen
    assert "Compare:  mlflow ui" in seen
    assert "mlflow models serve -m models:/ser-synthetic@champion --env-manager local" in seen
    for row in leaderboard(finished.record):
        assert f"{100 * row.val_uar:.1f} ± {100 * row.val_standard_error:.1f}" in seen


def test_every_trial_is_one_true_run(finished: FinishedSweep) -> None:
    trials = finished.record.trials.values()
    assert len(trials) == 6
    assert {trial.outcome for trial in trials} == {"completed", "pruned"}
    runs = check_runs(finished.client, finished.journal)
    assert runs["parent"].info.status == "FINISHED"
    for key, trial in finished.record.trials.items():
        tags = runs[str(key)].data.tags
        assert (tags["ser.sweep"], tags["ser.cell"], tags["ser.split"]) == ("small", key.cell, "assignment")
        assert trial.n_epochs == (2 if trial.outcome == "pruned" else 5)


def test_nothing_but_metrics_of_training_is_logged(finished: FinishedSweep) -> None:
    ours = ("train_", "val_", "test_", "best_")
    for run_ in check_runs(finished.client, finished.journal).values():
        strange = [name for name in run_.data.metrics if not name.startswith(ours)]
        assert set(strange) <= {"n_parameters", "temperature"}


def test_the_params_of_a_run_rebuild_what_was_trained(finished: FinishedSweep) -> None:
    runs = check_runs(finished.client, finished.journal)
    for key, trial in finished.record.trials.items():
        experiment = from_flat(runs[str(key)].data.params)
        assert experiment.flat() == trial.asked.values
        if trial.outcome == "completed":
            assert load_bundle(Path(trial.ended.bundle)).experiment == experiment


def test_trial_0_of_a_cell_is_its_defaults_and_the_others_are_not(finished: FinishedSweep) -> None:
    for cell in CELLS:
        first, *others = (trial.asked.searched for trial in finished.record.search_trials(cell))
        flat = from_flat(
            {"cell.architecture": "lenet5", "cell.dimensions": cell[-2], "corpus.name": "synthetic"}
        ).flat()
        assert first == {name: flat[name] for name in first}
        assert all(other != first for other in others)


def test_the_corpus_is_logged_with_its_digest(finished: FinishedSweep) -> None:
    runs = check_runs(finished.client, finished.journal)
    digest = finished.record.facts.corpus_digest
    for run_ in runs.values():
        (given,) = run_.inputs.dataset_inputs
        assert given.dataset.name == "synthetic"
        assert digest.startswith(given.dataset.digest)
        assert len(given.dataset.digest) >= 32
    assert runs["parent"].data.tags["ser.corpus_digest"] == digest


def test_confusion_matrices_can_be_looked_at_and_computed_with(finished: FinishedSweep) -> None:
    facts = finished.record.facts
    for key, run_ in check_runs(finished.client, finished.journal).items():
        if key == "parent":
            continue
        content = json.loads(artefact(finished, run_.info.run_id, "confusion_matrix.json").read_text())
        confusion = np.array(content["confusion"])
        completed = run_.data.tags["ser.outcome"] == "completed"
        assert content["labels"] == list(facts.emotions)
        assert confusion.sum() == (facts.n_test if completed else facts.n_validation)
        if completed:
            recalls = confusion.diagonal() / confusion.sum(axis=1)
            assert recalls.mean() == pytest.approx(run_.data.metrics["test_uar"])
        picture = imread(artefact(finished, run_.info.run_id, "confusion_matrix.png"))
        assert min(picture.shape[:2]) > 300
        assert picture[..., :3].std() > 0.05


def test_predictions_of_completed_runs_give_their_metrics(finished: FinishedSweep) -> None:
    facts = finished.record.facts
    runs = check_runs(finished.client, finished.journal)
    completed = [run_ for run_ in runs.values() if run_.data.tags.get("ser.outcome") == "completed"]
    assert completed
    for run_ in completed:
        with artefact(finished, run_.info.run_id, "predictions.csv").open() as file:
            rows = list(csv.DictReader(file))
        for part, metric in (("validation", None), ("test", "test_accuracy")):
            chosen = [row for row in rows if row["part"] == part]
            assert (
                len({row["clip"] for row in chosen})
                == len(chosen)
                == {"validation": facts.n_validation, "test": facts.n_test}[part]
            )
            if metric is not None:
                right = np.mean([row["truth"] == row["prediction"] for row in chosen])
                assert right == pytest.approx(run_.data.metrics[metric])
        for row in rows:
            probabilities = [float(row[emotion]) for emotion in facts.emotions]
            assert sum(probabilities) == pytest.approx(1)
            assert facts.emotions[int(np.argmax(probabilities))] == row["prediction"]
    others = [run_ for run_ in runs.values() if run_ not in completed]
    for run_ in others:
        assert "predictions.csv" not in {file.path for file in finished.client.list_artifacts(run_.info.run_id)}


def test_each_completed_run_has_one_model_without_pickle(finished: FinishedSweep) -> None:
    runs = check_runs(finished.client, finished.journal)
    experiment = finished.client.get_experiment_by_name("synthetic")
    models = finished.client.search_logged_models([experiment.experiment_id])
    completed = [run_.info.run_id for run_ in runs.values() if run_.data.tags.get("ser.outcome") == "completed"]
    assert sorted(model.source_run_id for model in models) == sorted(completed)
    for run_id in completed:
        folder = Path(model_of(finished, run_id).artifact_location)
        assert (folder / "MLmodel").is_file()
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert {path.suffix or path.name for path in files} <= PLAIN
        for path in files:
            if path.suffix == ".safetensors":
                assert load_file(path)
            else:
                assert "\0" not in path.read_text(encoding="utf-8")
        assert len((folder / "requirements.txt").read_text().splitlines()) >= 7


def test_the_champion_loads_where_pickle_is_refused(finished: FinishedSweep) -> None:
    code = "import mlflow.pyfunc as p; print(type(p.load_model('models:/ser-synthetic@champion')).__name__)"
    variables = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    ended = run(sys.executable, "-c", code, folder=finished.folder, variables=variables)
    assert (ended.code, ended.stdout.strip()) == (0, "PyFuncModel"), ended.seen


def test_aliases_point_to_the_best_of_each_cell_by_validation(finished: FinishedSweep) -> None:
    best: dict[str, float] = {}
    for key, run_ in check_runs(finished.client, finished.journal).items():
        if key != "parent" and run_.data.tags["ser.outcome"] == "completed":
            points = finished.client.get_metric_history(run_.info.run_id, "val_uar")
            cell = run_.data.tags["ser.cell"]
            best[cell] = max(best.get(cell, 0.0), *(point.value for point in points))
    best["champion"] = best["candidate"] = max(best.values())
    assert set(finished.client.get_registered_model("ser-synthetic").aliases) == set(best)
    assert set(best) == {*CELLS, "champion", "candidate"}
    for alias, uar in best.items():
        version = finished.client.get_model_version_by_alias("ser-synthetic", alias)
        assert finished.client.get_run(version.run_id).data.metrics["best_val_uar"] == uar
        assert version.source == f"models:/{model_of(finished, version.run_id).model_id}"
        assert alias in (version.tags["ser.cell"], "champion", "candidate")
