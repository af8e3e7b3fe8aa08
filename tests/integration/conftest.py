"""What the tests with real processes share: a corpus, a plan of one trial at a time, a finished sweep, its registry."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.entities import LoggedModelStatus, Run
from mlflow.tracking import MlflowClient

from ser.corpora.synthetic import make_synthetic
from ser.experiment.bundle import Classifier, load_bundle
from ser.report.leaderboard import rank_cells
from ser.tracking.registry.versions import Versions
from tests.support.command_runner import run_sweep
from tests.support.container_stack import EngineError, Stack, engine
from tests.support.fault_environment import NAME, write_plan
from tests.support.model_server import Server, gateway, serving
from tests.support.registry_runs import MODEL
from tests.support.sweep_results import FinishedSweep, client_of, record_of


@pytest.fixture(scope="session")
def corpus_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "synthetic"
    make_synthetic(folder)
    return folder


@pytest.fixture(scope="session")
def plan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "small.toml"
    return write_plan(path, at_a_time=1)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, plan_file: Path, corpus_dir: Path) -> FinishedSweep:
    folder = tmp_path_factory.mktemp("finished")
    ended = run_sweep("--plan", plan_file, "--corpus-dir", corpus_dir, "--name", NAME, folder=folder)
    assert ended.code == 0, ended.seen
    return FinishedSweep(folder, ended, client_of(folder), record_of(folder, NAME))


@pytest.fixture(scope="session")
def server(finished: FinishedSweep) -> Iterator[Server]:
    """The champion, served."""
    with serving(finished.folder) as server:
        yield server


@pytest.fixture(scope="session")
def guarded(finished: FinishedSweep, server: Server) -> Iterator[Server]:
    """The same server behind the gateway."""
    with gateway(finished.folder, server) as guarded:
        yield guarded


@pytest.fixture(scope="session")
def classifier(finished: FinishedSweep) -> Classifier:
    """The champion as its trial left it."""
    best = finished.record.trials[rank_cells(finished.record)[0].key]
    assert best.ended is not None
    return Classifier(load_bundle(Path(best.ended.bundle)))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack of containers, up."""
    with ExitStack() as engine_runs:
        try:
            engine_runs.enter_context(engine())
        except EngineError as error:
            pytest.skip(str(error))
        with Stack(tmp_path_factory.mktemp("stack")) as stack:
            print(f"\nimages built in {stack.build_s:.0f} s, up in {stack.up_s:.0f} s")
            yield stack


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
