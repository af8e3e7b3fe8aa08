"""What the tests with real processes share: a corpus, a plan of one trial at a time, and a sweep that finished."""

import os
from pathlib import Path

import pytest

from processes import run_sweep
from ser.corpora.synthetic import make_synthetic
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
