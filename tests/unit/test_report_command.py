"""The report's command: what it loads, and what it refuses in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fabricated_sweep import evaluated_sweep

SCRIPT = Path(__file__).parents[2] / "tune" / "report.py"
# As `python report.py`, and then says what of this it has loaded.
RUN = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print({"ray", "optuna", "mlflow"} & sys.modules.keys(), file=sys.stderr)
"""


def report(home: Path, *words: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", RUN, SCRIPT, "--sweep", "made-up", "--home", home / ".ser", *words]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    evaluated_sweep(folder, finals=False, baselines=False)
    return folder


def test_a_folder_that_cannot_be_written_to_is_told_and_no_ray_is_loaded_for_it(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = report(home, "--out", tmp_path / "file" / "out", "--resamples", 1)
    assert ended.returncode == 2
    assert ended.stdout.startswith(
        f"error: {tmp_path}/file/out cannot be used (Not a directory): correct its permissions"
    )
    assert ended.stderr == "set()\n"


@pytest.mark.parametrize("n_resamples", ["0", "-1", "many"])
def test_a_number_of_draws_is_at_least_one(home: Path, tmp_path: Path, n_resamples: str) -> None:
    ended = report(home, "--out", tmp_path, f"--resamples={n_resamples}")
    assert ended.returncode == 2
    assert f"must be a whole number, 1 or more, got '{n_resamples}'" in ended.stderr
