"""The table of the final evaluation: the best of each cell on each split, over folds and seeds."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.table import Table

from ser.sweep.state import SweepState, SweepTrial


@dataclass(frozen=True)
class FinalRow:
    """One cell on one split: mean and standard deviation (0 of one) over its trainings, each of a fold and a seed."""

    cell: str
    split: str
    n_folds: int
    n_seeds: int
    n_completed: int
    n_trials: int
    uar_mean: float
    uar_deviation: float
    accuracy_mean: float
    macro_f1_mean: float


def final_rows(sweep: SweepState) -> list[FinalRow]:
    """One row per split and cell that has a completed training, split by split, best mean UAR first."""
    trials: defaultdict[tuple[str, str], list[SweepTrial]] = defaultdict(list)
    for trial in sweep.final_trials():
        trials[trial.split.name, trial.key.cell].append(trial)
    rows = [_row(split, cell, listed) for (split, cell), listed in trials.items()]
    return sorted((row for row in rows if row is not None), key=lambda row: (row.split, -row.uar_mean, row.cell))


def final_table(rows: Sequence[FinalRow]) -> Table:
    """The rows for a terminal."""
    table = Table(
        box=box.SIMPLE_HEAD,
        caption="Final evaluation: mean of folds ± standard deviation, over trainings, each of a fold and a seed. The "
        "report pools the folds of a seed first. Clips that selection saw are no test clips.",
    )
    table.add_column("split")
    table.add_column("cell")
    for title in ("UAR %, mean of folds", "accuracy %", "macro-F1 %", "folds", "seeds", "done"):
        table.add_column(title, justify="right")
    for row in rows:
        deviation = f" ± {100 * row.uar_deviation:.1f}" if row.n_completed > 1 else ""
        table.add_row(
            row.split,
            row.cell,
            f"{100 * row.uar_mean:.1f}{deviation}",
            f"{100 * row.accuracy_mean:.1f}",
            f"{100 * row.macro_f1_mean:.1f}",
            str(row.n_folds),
            str(row.n_seeds),
            f"{row.n_completed}/{row.n_trials}",
        )
    return table


def _row(split: str, cell: str, trials: Sequence[SweepTrial]) -> FinalRow | None:
    completed = [trial for trial in trials if trial.outcome == "completed"]
    if not completed:
        return None
    tests = [trial.ended.test for trial in completed if trial.ended]
    uars = np.array([test["uar"] for test in tests])
    return FinalRow(
        cell=cell,
        split=split,
        n_folds=len({trial.split.fold for trial in completed}),
        n_seeds=len({trial.seed for trial in completed}),
        n_completed=len(completed),
        n_trials=len(trials),
        uar_mean=float(uars.mean()),
        uar_deviation=float(uars.std(ddof=1)) if len(uars) > 1 else 0.0,
        accuracy_mean=float(np.mean([test["accuracy"] for test in tests])),
        macro_f1_mean=float(np.mean([test["macro_f1"] for test in tests])),
    )
