"""What the tests with real processes share: a corpus, a plan of one trial at a time, and a sweep that finished."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers import Stack, engine, engine_is_possible

from processes import run_sweep
from ser.bundle import Classifier, load_bundle
from ser.corpora.synthetic import make_synthetic
from ser.report.leaderboard import leaderboard
from served import Server, gateway, serving
from tracked import FinishedSweep, client_of, record_of

NAME = "small"


@pytest.fixture(scope="session")
def corpus_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "synthetic"
    make_synthetic(folder)
    return folder


@pytest.fixture(scope="session")
def plan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "small.toml"
    path.write_text(
        f"""
corpus = "synthetic"
cells = ["lenet5-1d", "lenet5-2d"]
trials_per_cell = 3
max_epochs = 5
grace_epochs = 2
reduction = 10
cpus_per_trial = {os.cpu_count()}
[settings]
"training.precision" = "float32"
"training.memory_format" = "contiguous"
"""
    )
    return path


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
    best = finished.record.trials[leaderboard(finished.record)[0].key]
    assert best.ended is not None
    return Classifier(load_bundle(Path(best.ended.bundle)))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack of containers, up."""
    if not engine_is_possible():
        pytest.skip("no Docker engine answers, and there is none to start")
    with engine(), Stack(tmp_path_factory.mktemp("stack")) as stack:
        print(f"\nimages built in {stack.build_s:.0f} s, up in {stack.up_s:.0f} s")
        yield stack
