"""A network is one new file, and one that fails ends its own trials and nothing else."""

import shutil
import sys
from pathlib import Path

import pytest

from processes import REPOSITORY, Finished, run
from tracked import client_of, runs_of

pytestmark = pytest.mark.integration

BROKEN = '''
"""A network that cannot run."""

from typing import ClassVar

import torch
from torch import nn

from ser.models.base import ARCHITECTURES, Dimensions, Published
from ser.space import settings


class Net(nn.Module):
    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.last = nn.Linear(1, n_classes)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        raise ValueError("this network is broken")


@ARCHITECTURES.register("broken")
@settings
class Broken:
    published: ClassVar[Published | None] = None

    def build(self, *, dimensions: Dimensions, in_channels: int, n_classes: int) -> nn.Module:
        return Net(n_classes)
'''


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    folder = tmp_path_factory.mktemp("new-network")
    for part in ("ser", "tune"):
        shutil.copytree(REPOSITORY / part, folder / part)
    (folder / "ser" / "models" / "broken.py").write_text(BROKEN)
    words = ["--plan", "demo", "--name", "new", "--cells", "broken-2d,lenet5-1d", "--trials-per-cell", "1"]
    variables = {"PYTHONPATH": str(folder)}
    command = [sys.executable, "tune/run_sweep.py", *words, "--max-epochs", "2"]
    return folder, run(*command, folder=folder, variables=variables)


def test_the_sweep_goes_on_names_the_cell_without_a_result_and_exits_with_1(
    swept: tuple[Path, Finished],
) -> None:
    _, done = swept
    assert done.code == 1, done.seen
    assert "No trial completed in: broken-2d" in done.stdout
    assert "lenet5-1d 000" in done.stdout
    assert "Traceback" not in done.seen


def test_the_failed_trial_is_shown_as_failed_with_its_reason_and_traceback(
    swept: tuple[Path, Finished],
) -> None:
    folder, _ = swept
    client = client_of(folder)
    runs = {run.data.tags["ser.trial"]: run for run in runs_of(client, "new")}
    assert {key: run.info.status for key, run in runs.items()} == {
        "parent": "FINISHED",
        "new/broken-2d/000": "FAILED",
        "new/lenet5-1d/000": "FINISHED",
    }
    failed = runs["new/broken-2d/000"]
    assert failed.data.tags["ser.outcome"] == "failed"
    assert failed.data.tags["ser.reason"] == "ValueError: this network is broken"
    assert "traceback.txt" in {item.path for item in client.list_artifacts(failed.info.run_id)}
