"""Final evaluation of a simulated sweep: the best of each cell, once for each split, fold and seed."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from ser.report.leaderboard import leaderboard
from ser.sweep.final_evaluation import plan_trainings
from ser.sweep.journal import FINAL, SEARCH, Asked, read_events
from ser.sweep.state import replay
from tests.support.simulated_sweep import (
    CELLS,
    N_TRIALS,
    PLAN,
    cut_journal,
    drive,
    interrupt_at,
    n_lines,
    plan,
    run_to_end,
    start_controller,
    summarise_sweep,
)

WITH_FINALS = plan(final_seeds=2, final_splits=("assignment", "speaker-5fold-present"), final_folds=(0, 3))
N_FINALS = 2 * (1 + 2)
# No trial of the third cell completes.
TESTED = CELLS[:2]


@pytest.fixture(scope="module")
def evaluated(memory: Path) -> Path:
    """The journal of a sweep with a final evaluation that nothing interrupted."""
    return run_to_end(memory / "evaluated.jsonl", WITH_FINALS)


def test_every_cell_is_tested_on_every_split_fold_and_seed_once(evaluated: Path) -> None:
    finals = replay(evaluated).final_trials()
    assert len(finals) == N_FINALS * len(TESTED)
    ways = Counter((t.key.cell, t.split.name, t.split.fold, t.seed) for t in finals)
    wanted = [("assignment", 0), ("speaker-5fold-present", 0), ("speaker-5fold-present", 3)]
    assert ways == Counter((cell, *split, seed) for cell in TESTED for split in wanted for seed in (0, 1))


def test_finals_train_the_best_of_their_cell_with_nothing_else_changed(evaluated: Path) -> None:
    record = replay(evaluated)
    own = {"split.name", "split.fold", "split.seed", "split.selection", "training.seed"}
    for trial in record.final_trials():
        best = record.best_of_cell(trial.key.cell).asked.values
        assert {n: v for n, v in trial.asked.values.items() if n not in own} == {
            n: v for n, v in best.items() if n not in own
        }
        assert trial.asked.values["split.selection"] == "assignment/0/0"
        assert trial.asked.searched == {}


def test_the_search_does_not_know_of_finals(evaluated: Path, uninterrupted: Path) -> None:
    before, after = summarise_sweep(uninterrupted), summarise_sweep(evaluated)
    assert after["table"] == before["table"]
    assert {name: after["trials"][name] for name in before["trials"]} == before["trials"]
    assert [row.n_trials for row in leaderboard(replay(evaluated))] == [N_TRIALS] * len(TESTED)


def test_finals_begin_when_the_search_has_ended_and_go_through_the_cells_in_turn(in_memory: Path) -> None:
    run_to_end(in_memory / "journal.jsonl", WITH_FINALS, slots=4, seed=1)
    open_search, stages, cells = 0, [], []
    for _, event in read_events(in_memory / "journal.jsonl"):
        if isinstance(event, Asked):
            stages.append(event.stage)
            open_search += event.stage == SEARCH
            assert event.stage == SEARCH or open_search == 0
            cells += [event.cell] if event.stage == FINAL else []
        elif event.kind == "ended" and event.number < N_TRIALS:
            open_search -= 1
    assert stages == [SEARCH] * N_TRIALS * len(CELLS) + [FINAL] * N_FINALS * len(TESTED)
    assert cells == list(TESTED) * N_FINALS


def test_no_rung_stops_a_final_training(evaluated: Path) -> None:
    outcomes = Counter(trial.outcome for trial in replay(evaluated).final_trials())
    assert outcomes == {"completed": N_FINALS * len(TESTED) - 1, "failed": 1}


def test_numbers_go_on_after_those_of_the_search(evaluated: Path) -> None:
    record = replay(evaluated)
    for cell in TESTED:
        numbers = [trial.key.number for trial in record.final_trials() if trial.key.cell == cell]
        assert numbers == list(range(N_TRIALS, N_TRIALS + N_FINALS))


def test_added_to_a_finished_sweep_they_are_as_if_planned_from_the_start(uninterrupted: Path, in_memory: Path) -> None:
    path = in_memory / "journal.jsonl"
    shutil.copy(uninterrupted, path)
    added = run_to_end(path, WITH_FINALS)
    assert summarise_sweep(added) == summarise_sweep(run_to_end(in_memory / "planned.jsonl", WITH_FINALS))
    assert replay(added).closed.outcome == "finished"


def test_more_seeds_train_only_what_is_not_there(evaluated: Path, in_memory: Path) -> None:
    path = in_memory / "journal.jsonl"
    shutil.copy(evaluated, path)
    n_before = n_lines(path)
    more = plan(final_seeds=3, final_splits=("assignment",))
    run_to_end(path, more)
    asked = [event for _, event in list(read_events(path))[n_before:] if isinstance(event, Asked)]
    assert [(e.cell, e.values["training.seed"], e.values["split.seed"]) for e in asked] == [(c, 2, 2) for c in TESTED]


def test_killed_anywhere_in_the_final_evaluation_it_goes_on_where_it_was(evaluated: Path, in_memory: Path) -> None:
    expected = summarise_sweep(evaluated)
    events = [event for _, event in read_events(evaluated)]
    first = next(n for n, event in enumerate(events) if isinstance(event, Asked) and event.stage == FINAL)
    for n in range(first - 2, len(events), 5):
        assert (
            summarise_sweep(run_to_end(cut_journal(evaluated, in_memory / "cut.jsonl", n, torn=n), WITH_FINALS))
            == expected
        ), n


def test_stopped_in_order_it_is_finished_only_at_its_end(in_memory: Path) -> None:
    n_stopped = 0
    for step in range(90, 200, 11):
        path = in_memory / f"{step}.jsonl"
        if not interrupt_at(path, step, WITH_FINALS, orderly=True):
            break
        record = replay(path)
        n_stopped += bool(record.final_trials())
        assert record.closed.outcome == "killed"
        assert replay(run_to_end(path, WITH_FINALS)).closed.outcome == "finished"
    assert n_stopped >= 3


def test_a_cell_without_a_result_is_not_tested(in_memory: Path) -> None:
    of = plan(cells=("vgg16-2d", "lenet5-1d"), trials_per_cell=1, final_seeds=1)
    record = replay(run_to_end(in_memory / "journal.jsonl", of))
    assert record.best_of_cell("vgg16-2d") is None
    assert [trial.key.cell for trial in record.final_trials()] == ["lenet5-1d"]
    assert record.closed.outcome == "finished"


def test_what_is_left_to_do_is_counted(in_memory: Path) -> None:
    journal, controller = start_controller(in_memory / "journal.jsonl", WITH_FINALS)
    n_searched, n_finals = len(CELLS) * N_TRIALS, len(TESTED) * N_FINALS
    assert (controller.is_waiting, controller.cells_to_test()) == (True, [])
    for _ in drive(controller, WITH_FINALS):
        assert controller.n_trials == n_searched + (len(CELLS) * N_FINALS if controller.is_waiting else n_finals)
        if not controller.is_waiting:
            assert len(controller.cells_to_test()) == n_finals - len(controller.state.final_trials())
    assert (controller.cells_to_test(), controller.is_finished()) == ([], True)
    journal.close()


def test_a_plan_without_finals_has_none() -> None:
    assert plan_trainings(PLAN) == []
