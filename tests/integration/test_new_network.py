"""A network is one new file, and one that fails ends its own trials and nothing else."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.support.command_runner import REPOSITORY, Finished, run
from tests.support.sweep_results import client_of, runs_of

pytestmark = pytest.mark.integration

NETWORK = '''
"""A network that fails in a way of its own."""

import os
import signal
from typing import ClassVar

import torch
from torch import nn

from ser.models.base import ARCHITECTURES, Dimensions, Published
from ser.settings.declaration import settings


class Net(nn.Module):
    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.last = nn.Linear(1, n_classes)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        {failing}


@ARCHITECTURES.register("{name}")
@settings
class Failing:
    published: ClassVar[Published | None] = None

    def build(self, *, dimensions: Dimensions, in_channels: int, n_classes: int) -> nn.Module:
        return Net(n_classes)
'''
FAILING = {
    "broken": 'raise ValueError("this network is broken")',
    "endless": "return self.last(torch.full((len(clips), 1), torch.nan))",
    "greedy": "return self.last(torch.ones((len(clips), 10**14))[:, :1])",
    "deadly": "os.kill(os.getpid(), signal.SIGKILL)",
}
REASONS = {
    "broken": "ValueError: this network is broken",
    "endless": "TrainingError: the loss of epoch 1 is not finite",
    "greedy": "can't allocate memory",
    "deadly": "died",
}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    folder = tmp_path_factory.mktemp("new-network")
    for part in ("ser", "tune"):
        shutil.copytree(REPOSITORY / part, folder / part)
    for name, failing in FAILING.items():
        (folder / "ser" / "models" / f"{name}.py").write_text(NETWORK.format(name=name, failing=failing))
    cells = ",".join(f"{name}-2d" for name in FAILING)
    words = ["--plan", "demo", "--name", "new", "--cells", f"{cells},lenet5-1d", "--trials-per-cell", "1"]
    variables = {"PYTHONPATH": str(folder)}
    fixed = ["training.precision=float32", "training.memory_format=contiguous"]
    command = [sys.executable, "tune/run_sweep.py", *words, "--max-epochs", "2", *fixed]
    return folder, run(*command, folder=folder, variables=variables)


def test_the_sweep_goes_on_names_the_cells_without_a_result_and_exits_with_1(
    swept: tuple[Path, Finished],
) -> None:
    _, done = swept
    assert done.code == 1, done.seen
    assert "No trial completed in: broken-2d, deadly-2d, endless-2d, greedy-2d" in done.stdout
    assert "lenet5-1d 000" in done.stdout
    assert "Traceback" not in done.seen


def test_failed_trials_are_shown_as_failed_and_nothing_else_is(swept: tuple[Path, Finished]) -> None:
    runs = {run.data.tags["ser.trial"]: run.info.status for run in runs_of(client_of(swept[0]), "new")}
    failed = {f"new/{name}-2d/000": "FAILED" for name in FAILING}
    assert runs == {"parent": "FINISHED", "new/lenet5-1d/000": "FINISHED", **failed}


@pytest.mark.parametrize("name", FAILING)
def test_a_failed_trial_has_its_reason_and_its_traceback(swept: tuple[Path, Finished], name: str) -> None:
    client = client_of(swept[0])
    (failed,) = [run for run in runs_of(client, "new") if run.data.tags["ser.trial"] == f"new/{name}-2d/000"]
    assert failed.data.tags["ser.outcome"] == "failed"
    assert REASONS[name] in failed.data.tags["ser.reason"]
    assert "traceback.txt" in {item.path for item in client.list_artifacts(failed.info.run_id)}
