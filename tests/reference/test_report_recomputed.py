"""The report's leaderboards against a script that imports nothing of ser; and what it would catch."""

import subprocess
import sys
from pathlib import Path

import pytest

from ser.report.build import build_report
from ser.report.files import write_report
from tests.support.fabricated_sweep import CELLS, Evaluated, evaluated_sweep

SCRIPT = Path(__file__).with_name("recompute_report.py")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    return evaluated_sweep(tmp_path_factory.mktemp("evaluated"), baselines=False)


@pytest.fixture(scope="module")
def tables(sweep: Evaluated) -> Path:
    write_report(build_report(sweep.journal, command="c"), sweep.folder / "report")
    return sweep.folder / "report" / "tables"


def recompute(sweep: Evaluated, tables: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(SCRIPT), str(sweep.folder), "--against", str(tables)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_the_script_imports_nothing_of_ser() -> None:
    code = f"import sys, runpy; runpy.run_path({str(SCRIPT)!r}); print('ser' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_it_finds_the_figures_of_the_report(sweep: Evaluated, tables: Path) -> None:
    done = recompute(sweep, tables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The report says the same." in done.stdout
    assert len([line for line in done.stdout.splitlines() if any(cell in line for cell in CELLS)]) == 3 * len(CELLS)


def test_it_finds_a_figure_that_was_changed(tmp_path: Path) -> None:
    sweep = evaluated_sweep(tmp_path, finals=False, baselines=False)
    write_report(build_report(sweep.journal, command="c"), tmp_path)
    board = tmp_path / "tables" / "leaderboard.csv"
    header, first, *others = board.read_text().splitlines()
    changed = first.split(",")
    changed[header.split(",").index("test_uar")] = "0.9"
    board.write_text("\n".join([header, ",".join(changed), *others]))
    done = recompute(sweep, tmp_path / "tables")
    assert done.returncode == 1
    assert f"leaderboard.csv, {changed[0]}: test_uar is" in done.stdout
