"""A simulated sweep that is killed or stopped anywhere continues as if it had never been interrupted."""

import random
import shutil

import pytest

from ser.sweep.controller import GLOBAL, Controller
from ser.sweep.journal import read_events
from ser.sweep.state import replay
from tests.support.epoch_reports import reports_of
from tests.support.simulated_sweep import (
    CELLS,
    N_TRIALS,
    cut_journal,
    interrupt_at,
    interrupt_at_prune,
    n_lines,
    plan,
    report_of,
    run_to_end,
    start_controller,
    summarise_sweep,
)

FINALS = {"final_seeds": 1, "final_splits": ("speaker-5fold-present",), "final_folds": (0, 2)}


@pytest.mark.parametrize("changes", [{}, {"search": GLOBAL}, {**FINALS, "max_epochs": 3}], ids=["", GLOBAL, "finals"])
def test_killed_after_any_event_and_resumed_is_as_uninterrupted(in_memory, changes):
    of = plan(**changes)
    first = in_memory / "first.jsonl"
    expected = summarise_sweep(run_to_end(first, of))
    assert n_lines(first) > 50
    assert replay(first).closed.outcome == "finished"
    for n in range(1, n_lines(first) + 1):
        resumed = run_to_end(cut_journal(first, in_memory / "cut.jsonl", n, torn=n), of)
        assert summarise_sweep(resumed) == expected, f"killed after event {n}"


def test_killed_again_and_again_is_as_uninterrupted(uninterrupted, in_memory):
    expected, rng = summarise_sweep(uninterrupted), random.Random(0)
    for n in range(40):
        path = in_memory / f"{n}.jsonl"
        shutil.copy(uninterrupted, path)
        known = 1
        for _ in range(3):
            known = rng.randint(known, min(n_lines(path), known + 40))
            run_to_end(cut_journal(path, path, known))
        assert summarise_sweep(path) == expected


def test_stopped_in_order_at_any_step_and_resumed_is_as_uninterrupted(uninterrupted, in_memory):
    expected, step = summarise_sweep(uninterrupted), 0
    while interrupt_at(path := in_memory / f"{step}.jsonl", step, orderly=True):
        is_finished = summarise_sweep(path) == expected
        assert replay(path).closed.outcome == ("finished" if is_finished else "killed")
        assert {trial.outcome for trial in replay(path).trials.values()} <= {"completed", "pruned", "failed", "killed"}
        assert summarise_sweep(run_to_end(path)) == expected, f"stopped after step {step}"
        step += 1
    assert step > 50


@pytest.mark.parametrize("changes", [{}, {"search": GLOBAL}, {**FINALS, "max_epochs": 2}], ids=["", GLOBAL, "finals"])
@pytest.mark.parametrize("slots", [2, 4])
def test_with_several_at_a_time_nothing_is_lost_and_nothing_is_done_twice(in_memory, slots, changes):
    of = plan(**changes)
    for step in range(1, 45, 3):
        path = in_memory / f"{step}.jsonl"
        assert interrupt_at(path, step, of, orderly=step % 2 == 0, slots=slots, seed=step)
        before = replay(path)
        n_events = len(list(read_events(path)))
        reported = reports_of(path)
        after = replay(run_to_end(path, of, slots=slots, seed=-step))
        tested = [cell for cell in CELLS if after.best_of_cell(cell)] if "final_seeds" in changes else []
        assert len(after.trials) == len(CELLS) * N_TRIALS + 2 * len(tested)
        assert all(trial.is_terminal for trial in after.trials.values())
        for key, trial in before.trials.items():
            assert after.trials[key].asked == trial.asked
            assert reported[key].items() <= reports_of(path)[key].items()
            assert not trial.is_terminal or after.trials[key].outcome == trial.outcome
        later = [event for _, event in read_events(path)][n_events:]
        asked = [(e.cell, e.number) for _, e in read_events(path) if e.kind == "asked"]
        assert len(set(asked)) == len(asked)
        final = {str(key) for key, trial in before.trials.items() if trial.is_terminal}
        assert final.isdisjoint(f"s/{e.cell}/{e.number:03d}" for e in later if e.kind in ("asked", "reported", "ended"))


@pytest.mark.parametrize("then", [lambda _: None, Controller.close], ids=["killed", "stopped"])
def test_a_trial_that_a_rung_had_stopped_ends_as_pruned_at_resume(in_memory, then):
    path = in_memory / "journal.jsonl"
    key = interrupt_at_prune(path, then=then)
    assert replay(path).trials[key].outcome == ("pruned" if then is Controller.close else "open")
    n_reports = replay(path).trials[key].n_epochs
    journal, controller = start_controller(path)
    assert controller.state.trials[key].outcome == "pruned"
    assert controller.was_pruned(key)
    assert controller.next_trial().key != key
    journal.close()
    run_to_end(path)
    assert replay(path).trials[key].outcome == "pruned"
    assert replay(path).trials[key].n_epochs == n_reports


def test_a_trial_taken_up_again_and_pruned_then_is_not_taken_up_a_third_time(in_memory):
    path = in_memory / "journal.jsonl"
    key = interrupt_at_prune(path, then=lambda _: None)
    events = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(events[:-1]))
    start_controller(path)[0].close()
    assert replay(path).trials[key].outcome == "killed"
    journal, controller = start_controller(path)
    ask = controller.next_trial()
    assert ask.key == key
    epochs = range(1, 7)
    assert not all(controller.report(report_of(ask, epoch, 6)) for epoch in epochs)
    journal.close()
    journal, controller = start_controller(path)
    assert controller.state.trials[key].outcome == "pruned"
    journal.close()


def test_an_interrupted_trial_comes_first_with_its_settings(in_memory):
    path = in_memory / "journal.jsonl"
    assert interrupt_at(path, 35, orderly=False)
    key = next(key for key, trial in replay(path).trials.items() if trial.outcome == "open")
    journal, controller = start_controller(path)
    assert controller.state.trials[key].ended.outcome == "killed"
    assert controller.state.trials[key].ended.reason == "the driver died"
    assert controller.open_trials() == []
    ask = controller.next_trial()
    assert (ask.key, ask.experiment.flat()) == (key, replay(path).trials[key].asked.values)
    assert controller.open_trials() == [key]
    journal.close()
