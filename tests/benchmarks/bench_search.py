"""Fairness: what each cell gets of a search per cell and of one over all, and what both find with the same epochs.

    python -m pytest tests/benchmarks/bench_search.py -m benchmark -s

Two sweeps of the plan `quick` on real clips of 16 actors, the same but for `--search`. Prints trials and epochs of each
cell, and draws both curves (best validation UAR against epochs spent) to search.png in the current folder. About 15
minutes.
"""

import itertools
import subprocess
import sys
from collections import Counter
from pathlib import Path

import matplotlib
import pytest

from ser.experiment.experiment import all_cells
from ser.sweep.journal import Reported, read_events
from ser.sweep.state import replay

matplotlib.use("Agg")
from matplotlib import pyplot as plt

SWEEP = Path(__file__).resolve().parents[2] / "tune" / "run_sweep.py"
SEARCHES = ("per-cell", "global")
N_TRIALS, MAX_EPOCHS = 4, 12

pytestmark = pytest.mark.benchmark


@pytest.fixture(scope="module")
def journals(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("search")
    unpack: list[str | Path] = [sys.executable, shared_dir / "cremad" / "unpack", folder / "cremad", "--actors", "16"]
    subprocess.run(unpack, check=True)
    size = ["--trials-per-cell", str(N_TRIALS), "--max-epochs", str(MAX_EPOCHS)]
    for search in SEARCHES:
        words = ["--plan", "quick", "--corpus-dir", "cremad", "--search", search, "--name", search, *size]
        subprocess.run([sys.executable, SWEEP, *words], cwd=folder, check=True)
    return {search: folder / ".ser" / "sweeps" / search / "journal.jsonl" for search in SEARCHES}


def reports_of(journal: Path) -> list[Reported]:
    return [event for _, event in read_events(journal) if isinstance(event, Reported)]


def test_each_cell_gets_its_trials_and_both_searches_are_compared_at_the_same_epochs(journals: dict[str, Path]):
    trials = {search: Counter(key.cell for key in replay(path).trials) for search, path in journals.items()}
    epochs = {search: Counter(report.cell for report in reports_of(path)) for search, path in journals.items()}
    print("\n| cell | trials, per-cell | epochs, per-cell | trials, global | epochs, global |\n|---|---|---|---|---|")
    for cell in all_cells():
        print(f"| {cell} | " + " | ".join(f"{trials[s][cell]} | {epochs[s][cell]}" for s in SEARCHES) + " |")
    assert trials["per-cell"] == dict.fromkeys(all_cells(), N_TRIALS)
    curves = {
        search: list(itertools.accumulate((r.metrics["val_uar"] for r in reports_of(path)), max))
        for search, path in journals.items()
    }
    n_epochs = min(map(len, curves.values()))
    for search, curve in curves.items():
        at = {n: f"{100 * curve[n - 1]:.1f}" for n in (n_epochs // 4, n_epochs // 2, n_epochs)}
        print(f"{search}: best validation UAR % after so many epochs: {at}")
    draw(curves, n_epochs)


def draw(curves: dict[str, list[float]], n_epochs: int) -> None:
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for search, curve in curves.items():
        axes.step(range(1, n_epochs + 1), [100 * uar for uar in curve[:n_epochs]], where="post", label=search)
    axes.set_xlabel("epochs spent, all trials together")
    axes.set_ylabel("best validation UAR so far, %")
    axes.grid(alpha=0.3)
    axes.legend(title="search")
    figure.savefig("search.png", dpi=110)
    plt.close(figure)
