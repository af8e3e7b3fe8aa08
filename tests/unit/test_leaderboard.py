"""The table of the cells."""

from typing import Any

import numpy as np
import pytest

from ser.evaluation.metrics import unweighted_average_recall, unweighted_average_recall_standard_error
from ser.report.leaderboard import format_leaderboard, make_leaderboard_table, rank_cells
from ser.sweep.journal import Asked, Ended, Event, Reported, Started, TrialKey
from ser.sweep.state import SweepState

VALIDATION = {1: [[5, 5], [5, 5]], 2: [[8, 2], [3, 7]], 3: [[7, 3], [3, 7]]}
TEST = [[30, 10], [20, 40]]


def uar(confusion: list[list[int]]) -> float:
    return unweighted_average_recall(np.array(confusion))


def trial(cell: str, number: int, outcome: str = "completed", **test: Any) -> list[Event]:
    reports = [
        Reported(cell, number, n, {"val_uar": uar(seen), "val_loss": 1.0}, seen, n == 3)
        for n, seen in VALIDATION.items()
    ]
    figures = {
        "uar": uar(TEST), "accuracy": 0.7, "macro_f1": 0.69, "confusion": TEST, "n_parameters": 61_706,
        "train_seconds": 12.4, **test,
    }  # fmt: skip
    return [Asked(cell, number, {}, {}), *reports, Ended(cell, number, outcome, test=figures)]


def sweep(*trials: list[Event]) -> SweepState:
    record = SweepState()
    for event in (Started("s", {}, {}), *(event for events in trials for event in events)):
        record.apply(event)
    return record


def better(events: list[Event], by: float) -> list[Event]:
    """The same trial with a higher validation UAR."""
    for event in events:
        if isinstance(event, Reported):
            event.metrics["val_uar"] += by
    return events


def test_a_row_is_its_best_epoch_on_validation_and_its_test_figures():
    (row,) = rank_cells(sweep(trial("lenet5-1d", 0)))
    best = np.array(VALIDATION[2])
    assert row.key == TrialKey("s", "lenet5-1d", 0)
    assert row.val_uar == pytest.approx(0.75)
    assert row.val_standard_error == unweighted_average_recall_standard_error(best)
    assert row.val_standard_error == pytest.approx(np.sqrt(0.8 * 0.2 / 10 + 0.7 * 0.3 / 10) / 2)
    assert (row.n_validation_clips, row.n_test_clips) == (20, 100)
    assert row.test_uar == pytest.approx((0.75 + 2 / 3) / 2)
    assert row.test_standard_error == unweighted_average_recall_standard_error(np.array(TEST))
    assert (row.test_accuracy, row.test_macro_f1) == (0.7, 0.69)
    assert (row.n_parameters, row.train_seconds) == (61_706, 12.4)


def test_rows_are_ordered_by_validation_then_by_name():
    record = sweep(trial("b", 0), better(trial("c", 0), 0.1), trial("a", 0), better(trial("d", 0), -0.1))
    assert [row.cell for row in rank_cells(record)] == ["c", "a", "b", "d"]


def test_test_figures_order_and_choose_nothing():
    record = sweep(trial("a", 0, uar=0.2), better(trial("a", 1, uar=0.1), 0.01), trial("b", 0, uar=0.9))
    rows = rank_cells(record)
    assert [(row.cell, row.key.number, row.test_uar) for row in rows] == [("a", 1, 0.1), ("b", 0, 0.9)]


def test_only_completed_trials_stand_for_a_cell():
    record = sweep(
        trial("a", 0),
        better(trial("a", 1, "pruned"), 0.2),
        better(trial("a", 2, "failed"), 0.2),
        trial("a", 3, "killed")[:-1],
        trial("b", 0, "pruned"),
    )
    (row,) = rank_cells(record)
    assert (row.cell, row.key.number, row.n_completed, row.n_trials) == ("a", 0, 1, 4)


def test_nothing_done_is_an_empty_table():
    assert rank_cells(sweep()) == []
    assert make_leaderboard_table([]).row_count == 0


def test_the_table_names_its_figures_and_its_clips():
    lines = format_leaderboard(rank_cells(sweep(trial("lenet5-1d", 0), trial("lenet5-1d", 1, "pruned")))).splitlines()
    (row,) = [line.split() for line in lines if "lenet5-1d" in line]
    assert " ".join(row) == "lenet5-1d 75.0 ± 9.6 70.8 ± 4.6 70.0 69.0 61,706 12 1/2"
    assert "one standard error over clips: 20 validation, 100 test clips" in " ".join(" ".join(lines).split())


def test_the_table_has_a_row_for_each_cell_in_order():
    record = sweep(trial("vgg16-2d", 0), better(trial("sercnn-1d", 0), 0.1))
    text = format_leaderboard(rank_cells(record))
    assert 0 < text.index("sercnn-1d") < text.index("vgg16-2d")
