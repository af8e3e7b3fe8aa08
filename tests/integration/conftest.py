"""What the tests with real processes share: a finished sweep, its champion, its registry."""

import shutil
from collections.abc import Callable
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.entities import LoggedModelStatus, Run
from mlflow.tracking import MlflowClient

from ser.experiment.bundle import Classifier, load_bundle
from ser.report.leaderboard import rank_cells
from ser.tracking.registry.versions import Versions
from tests.support.registry_runs import MODEL
from tests.support.script_in_process import RunHere, script_runner
from tests.support.shared_sweep import corpus_dir, finished, guarded, plan_file, server, stack
from tests.support.sweep_results import FinishedSweep

__all__ = ["corpus_dir", "finished", "guarded", "plan_file", "server", "stack"]


@pytest.fixture(scope="session")
def classifier(finished: FinishedSweep) -> Classifier:
    """The champion as its trial left it."""
    best = finished.record.trials[rank_cells(finished.record)[0].key]
    assert best.ended is not None
    return Classifier(load_bundle(Path(best.ended.bundle)))


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunHere:
    """Runs a script that ends before it needs Ray in this process."""
    return script_runner(monkeypatch, capsys)


@pytest.fixture
def versions(finished: FinishedSweep, tmp_path: Path) -> Versions:
    """The registry of the finished sweep in a copy of its tracker, whose artefacts stay where they are."""
    shutil.copy(finished.folder / "mlflow.db", tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    return Versions(MlflowClient(uri), MODEL)


@pytest.fixture
def champion(versions: Versions) -> Run:
    return versions.read_aliased_run("champion")


@pytest.fixture
def predictions(versions: Versions, champion: Run, tmp_path: Path) -> pd.DataFrame:
    """Of the champion."""
    path = versions.client.download_artifacts(champion.info.run_id, "predictions.csv", str(tmp_path))
    return pd.read_csv(path, dtype=str)


@pytest.fixture
def logged(versions: Versions, champion: Run, tmp_path: Path) -> Callable[..., Run]:
    """Logs a run like the champion's, with a model, that predicted something else."""

    def log(rows: pd.DataFrame, *, params: dict[str, str] | None = None, model: bool = True, **tags: str) -> Run:
        client, experiment = versions.client, champion.info.experiment_id
        given = {name.replace("_", ".", 1): value for name, value in tags.items()}
        made = client.create_run(experiment, tags={**champion.data.tags, **given})
        for name, value in {**champion.data.params, **(params or {})}.items():
            client.log_param(made.info.run_id, name, value)
        rows.to_csv(tmp_path / "predictions.csv", index=False)
        client.log_artifact(made.info.run_id, str(tmp_path / "predictions.csv"))
        if model:
            begun = client.create_logged_model(experiment, name="made-up", source_run_id=made.info.run_id)
            client.finalize_logged_model(begun.model_id, LoggedModelStatus.READY)
        client.set_terminated(made.info.run_id)
        return client.get_run(made.info.run_id)

    return log
