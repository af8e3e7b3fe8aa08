"""The live display of a running sweep."""

import io
import pickle
import re
import time
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from ser.commands import live_display as display_module
from ser.commands.live_display import Display
from ser.sweep.journal import FINAL, Asked, Ended, Event, Reported, Started
from ser.sweep.state import SweepState

TEST = {"uar": 0.5, "accuracy": 0.5, "macro_f1": 0.5, "confusion": [[1, 1], [1, 1]], "n_parameters": 9}


def asked(cell: str, number: int, time_s: float) -> Asked:
    return Asked(cell, number, {}, {}, time_s=time_s)


def reported(cell: str, number: int, epoch: int, uar: float = 0.25) -> Reported:
    return Reported(cell, number, epoch, {"val_uar": uar, "val_loss": 1.0}, [[3, 1], [2, 2]], False)


def ended(cell: str, number: int, outcome: str, time_s: float, reason: str = "") -> Ended:
    return Ended(cell, number, outcome, reason, bundle="b", test={**TEST, "train_seconds": 2.0}, time_s=time_s)


def record_of(*events: Any, search: str = "per-cell") -> SweepState:
    record = SweepState()
    for event in (Started("s", {"cells": ["lenet5-1d", "vgg16-2d"], "search": search, "max_epochs": 10}, {}), *events):
        record.apply(event)
    return record


def shown(
    record: SweepState,
    *,
    n_trials: int = 4,
    n_finals: int = 0,
    n_slots: int = 1,
    budget_s: float | None = None,
    terminal: bool = False,
) -> tuple[Display, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, width=120, force_terminal=terminal, color_system=None)
    n_searched = n_trials - n_finals
    return Display(
        console, record, n_searched=n_searched, n_trials=lambda: n_trials, n_slots=n_slots, budget_s=budget_s
    ), out


def left_s(record: SweepState, **how) -> int | None:
    """Seconds left as the status line has them."""
    found = re.search(r"about (\d+):(\d\d):(\d\d) left", shown(record, **how)[0].status())
    return None if found is None else int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3])


def test_a_sweep_that_just_began_says_so():
    status = shown(record_of())[0].status()
    assert status == "0 of 4 trials done (none yet), 0:00:00 elapsed, time left not known yet"


def test_outcomes_are_counted():
    events: list[Event] = [asked("lenet5-1d", n, 0.0) for n in range(4)]
    events += [reported("lenet5-1d", 0, 1), ended("lenet5-1d", 0, "completed", 10.0)]
    events += [ended("lenet5-1d", 1, "pruned", 10.0), ended("lenet5-1d", 2, "failed", 10.0)]
    status = shown(record_of(*events), n_trials=8)[0].status()
    assert status.startswith("3 of 8 trials done (1 completed, 1 pruned, 1 failed), ")


def test_time_left_is_that_of_trials_of_the_same_cell_else_of_any():
    one = [asked("lenet5-1d", 0, 0.0), ended("lenet5-1d", 0, "completed", 10.0)]
    assert left_s(record_of(*one)) == 10 + 2 * 10
    both = [*one, asked("vgg16-2d", 0, 10.0), ended("vgg16-2d", 0, "completed", 110.0)]
    assert left_s(record_of(*both)) == 10 + 100
    assert left_s(record_of(*both), n_slots=2) == 55
    assert left_s(record_of(*both), n_trials=8) == 3 * 10 + 3 * 100


def test_what_runs_already_counts_what_is_left_of_it_and_what_outlives_the_others_goes_on_to_its_last_epoch():
    now = time.time()
    took_100_s = [asked("lenet5-1d", 0, now - 500), ended("lenet5-1d", 0, "completed", now - 400)]
    others = [asked("vgg16-2d", n, now - 300) for n in (0, 1)] + [
        ended("vgg16-2d", n, "failed", now - 200) for n in (0, 1)
    ]
    young = [*took_100_s, *others, asked("lenet5-1d", 1, now - 30)]
    assert left_s(record_of(*young)) == pytest.approx(70, abs=1)
    assert left_s(record_of(*young), n_slots=2) == pytest.approx(70, abs=1)
    old = [*took_100_s, *others, asked("lenet5-1d", 1, now - 150), replace(reported("lenet5-1d", 1, 4), seconds=5.0)]
    assert left_s(record_of(*old)) == 6 * 5


def test_time_left_is_never_beyond_the_budget():
    events = [asked("lenet5-1d", 0, 0.0), ended("lenet5-1d", 0, "completed", 1000.0)]
    assert left_s(record_of(*events), budget_s=60.0) == 60
    assert left_s(record_of(*events), budget_s=3600.0) == 3000


def test_a_night_between_two_drivers_is_no_training_time():
    events = [asked("lenet5-1d", 0, 0.0), ended("lenet5-1d", 0, "completed", 10.0)]
    events += [
        asked("vgg16-2d", 0, 10.0),
        ended("vgg16-2d", 0, "killed", 15.0),
        ended("vgg16-2d", 0, "completed", 50_000.0),
    ]
    assert left_s(record_of(*events)) == 2 * 10


@pytest.mark.parametrize("search", ["per-cell", "global"])
def test_final_trainings_take_as_long_as_the_longest_of_their_cell_until_one_has_ended(search):
    events = [
        asked("lenet5-1d", 0, 0.0),
        ended("lenet5-1d", 0, "completed", 30.0),
        asked("lenet5-1d", 1, 0.0),
        ended("lenet5-1d", 1, "pruned", 10.0),
    ]
    events += [
        asked("vgg16-2d", 0, 0.0),
        ended("vgg16-2d", 0, "completed", 50.0),
        asked("vgg16-2d", 1, 0.0),
        ended("vgg16-2d", 1, "pruned", 10.0),
    ]
    assert left_s(record_of(*events, search=search), n_trials=8, n_finals=4) == 2 * 30 + 2 * 50
    events += [replace(asked("lenet5-1d", 2, 60.0), stage=FINAL), ended("lenet5-1d", 2, "completed", 100.0)]
    assert left_s(record_of(*events, search=search), n_trials=8, n_finals=4) == round(1.5 * 40 + 1.5 * 50)


def test_one_search_over_all_has_no_share_of_each_cell():
    events: list[Event] = []
    for n in range(3):
        events += [asked("lenet5-1d", n, 0.0), ended("lenet5-1d", n, "completed", 10.0)]
    assert left_s(record_of(*events, search="global")) == 10
    events += [asked("lenet5-1d", 3, 0.0), ended("lenet5-1d", 3, "completed", 10.0)]
    assert left_s(record_of(*events, search="global")) == 0


def test_an_ended_trial_gets_a_line():
    events = [
        asked("lenet5-1d", 7, 0.0),
        reported("lenet5-1d", 7, 1, 0.25),
        reported("lenet5-1d", 7, 2, 0.5),
        reported("lenet5-1d", 7, 3, 0.4),
    ]
    last = ended("lenet5-1d", 7, "pruned", 9.0, reason="behind at its rung [3]")
    display, out = shown(record_of(*events, last))
    display.show_end(last)
    line = " ".join(out.getvalue().split())
    assert line == "lenet5-1d 007 pruned after 3 epochs, best val UAR 50.0 % (behind at its rung [3])"


def test_a_trial_without_an_epoch_gets_a_line_too():
    last = ended("lenet5-1d", 0, "failed", 9.0, reason="TrainingError: [bold]no")
    display, out = shown(record_of(asked("lenet5-1d", 0, 0.0), last))
    display.show_end(last)
    assert "after  0 epochs, no epoch finished (TrainingError: [bold]no)" in out.getvalue()


def test_a_log_gets_a_line_now_and_then(monkeypatch):
    display, out = shown(record_of())
    display.refresh()
    assert out.getvalue() == ""
    monkeypatch.setattr(display_module, "_LINE_EVERY_S", 0.0)
    display.refresh()
    display.refresh()
    assert out.getvalue().count("0 of 4 trials done") == 2
    assert "val UAR" not in out.getvalue()


def test_a_log_gets_the_leaderboard_more_rarely(monkeypatch):
    display, out = shown(
        record_of(asked("lenet5-1d", 0, 0.0), reported("lenet5-1d", 0, 1), ended("lenet5-1d", 0, "completed", 9.0))
    )
    monkeypatch.setattr(display_module, "_LINE_EVERY_S", 0.0)
    display.refresh()
    assert "val UAR" not in out.getvalue()
    monkeypatch.setattr(display_module, "_TABLE_EVERY_S", 0.0)
    display.refresh()
    assert "val UAR %" in out.getvalue()


def test_a_terminal_shows_the_leaderboard_and_what_runs(monkeypatch):
    monkeypatch.setattr(display_module, "_REDRAW_EVERY_S", 0.0)
    events = [asked("lenet5-1d", 0, 0.0), reported("lenet5-1d", 0, 1), ended("lenet5-1d", 0, "completed", 9.0)]
    events += [asked("vgg16-2d", 0, 0.0), reported("vgg16-2d", 0, 1), reported("vgg16-2d", 0, 2)]
    display, out = shown(record_of(*events), terminal=True)
    with display:
        display.refresh()
    assert "val UAR %" in out.getvalue()
    assert "vgg16-2d 000: epoch 2" in out.getvalue()
    assert "a 000: epoch" not in out.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_of_a_display_is_pickled(terminal):
    assert pickle.loads(pickle.dumps(shown(record_of(), terminal=terminal)[0])).__dict__ == {}
