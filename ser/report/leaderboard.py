"""The table of the cells: each by its trial with the best validation UAR."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from ser.evaluation.metrics import unweighted_average_recall_standard_error
from ser.sweep.journal import TrialKey
from ser.sweep.state import SweepState, SweepTrial


@dataclass(frozen=True)
class LeaderboardRow:
    """One cell: its chosen trial, what chose it (validation) and what it scored once on test clips."""

    cell: str
    key: TrialKey
    n_completed: int
    n_trials: int
    val_uar: float
    val_standard_error: float
    n_validation_clips: int
    test_uar: float
    test_standard_error: float
    test_accuracy: float
    test_macro_f1: float
    n_test_clips: int
    n_parameters: int
    train_seconds: float


def leaderboard(sweep: SweepState) -> list[LeaderboardRow]:
    """One row per cell that has a completed trial, best validation UAR first; test figures choose nothing."""
    best = (sweep.best_of_cell(cell) for cell in sorted({key.cell for key in sweep.trials}))
    rows = [_row(sweep, trial) for trial in best if trial is not None]
    return sorted(rows, key=lambda row: (-row.val_uar, row.cell))


def leaderboard_table(rows: Sequence[LeaderboardRow]) -> Table:
    """The rows for a terminal."""
    n_validation, n_test = (rows[0].n_validation_clips, rows[0].n_test_clips) if rows else (0, 0)
    table = Table(
        box=box.SIMPLE_HEAD,
        caption=f"± is one standard error over clips: {n_validation:,} validation, {n_test:,} test clips. "
        "Validation chose; test was looked at once per completed trial and chose nothing.",
    )
    table.add_column("cell")
    for title in ("val UAR %", "test UAR %", "accuracy %", "macro-F1 %", "parameters", "train s", "done"):
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(
            row.cell,
            f"{100 * row.val_uar:.1f} ± {100 * row.val_standard_error:.1f}",
            f"{100 * row.test_uar:.1f} ± {100 * row.test_standard_error:.1f}",
            f"{100 * row.test_accuracy:.1f}",
            f"{100 * row.test_macro_f1:.1f}",
            f"{row.n_parameters:,}",
            f"{row.train_seconds:.0f}",
            f"{row.n_completed}/{row.n_trials}",
        )
    return table


def leaderboard_text(rows: Sequence[LeaderboardRow]) -> str:
    """The same table as plain text."""
    console = Console(width=110, no_color=True)
    with console.capture() as capture:
        console.print(leaderboard_table(rows))
    return capture.get()


def _row(sweep: SweepState, trial: SweepTrial) -> LeaderboardRow:
    assert trial.best is not None
    assert trial.ended is not None
    trials = sweep.search_trials(trial.key.cell)
    validation, test = np.array(trial.best.confusion), np.array(trial.ended.test["confusion"])
    return LeaderboardRow(
        cell=trial.key.cell,
        key=trial.key,
        n_completed=sum(other.outcome == "completed" for other in trials),
        n_trials=len(trials),
        val_uar=trial.best.metrics["val_uar"],
        val_standard_error=unweighted_average_recall_standard_error(validation),
        n_validation_clips=int(validation.sum()),
        test_uar=trial.ended.test["uar"],
        test_standard_error=unweighted_average_recall_standard_error(test),
        test_accuracy=trial.ended.test["accuracy"],
        test_macro_f1=trial.ended.test["macro_f1"],
        n_test_clips=int(test.sum()),
        n_parameters=trial.ended.test["n_parameters"],
        train_seconds=trial.ended.test["train_seconds"],
    )
