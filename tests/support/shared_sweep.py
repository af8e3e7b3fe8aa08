"""Fixtures of a session: a corpus, a plan of one trial at a time, a finished sweep, its servers, the stack.

The worker processes of a run share what takes long to make: the first that asks for it makes it.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import pytest
from filelock import FileLock

from ser.corpora.synthetic import make_synthetic
from tests.support.command_runner import Finished, run_sweep
from tests.support.container_stack import EngineError, Stack, engine
from tests.support.fault_environment import NAME, write_plan
from tests.support.model_server import Server, gateway, serving
from tests.support.relocation import relocate
from tests.support.sweep_results import FinishedSweep, client_of, record_of


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name` of this run, filled by `make` in the first worker process that needs it."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, made = base / name, base / f"{name}.made"
    with FileLock(base / f"{name}.lock"):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session")
def corpus_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nobody may change it. Its parent holds it under the name that scripts look for."""
    return make_once(tmp_path_factory, "corpus", lambda folder: make_synthetic(folder / "synthetic")) / "synthetic"


@pytest.fixture(scope="session")
def plan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "small.toml"
    return write_plan(path, at_a_time=1)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, plan_file: Path, corpus_dir: Path) -> FinishedSweep:
    """A copy of its own for each worker process, with its tracker: tests may add to both."""

    def make(folder: Path) -> None:
        words = ["--plan", plan_file, "--corpus-dir", corpus_dir, "--name", NAME]
        # On a busy machine: without this sweep a third of the tests have nothing to look at.
        ended = run_sweep(*words, folder=folder, timeout_s=900)
        assert ended.code == 0, ended.seen
        (folder / "ended.json").write_text(json.dumps(asdict(ended)))

    made = make_once(tmp_path_factory, "finished", make)
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("finished") / "copy"))
    relocate(folder, made_in=f"{made}/")
    ended = Finished(**json.loads((folder / "ended.json").read_text()))
    (folder / "ended.json").unlink()
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
