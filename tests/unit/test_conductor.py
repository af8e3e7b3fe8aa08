"""Sweeps played through without Ray, with a made-up score: fair turns, and resumed is as uninterrupted."""

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from ser.distributed.conductor import GLOBAL, Ask, Conductor
from ser.distributed.plan import Plan
from ser.journal import Ended, Journal, Reported, Started, TrialKey, read_events
from ser.replay import SweepRecord, replay
from ser.report.leaderboard import leaderboard

CELLS = ("lenet5-1d", "sercnn-2d", "vgg16-2d")
N_TRIALS = 4
FAILING = {("sercnn-2d", 2), ("vgg16-2d", 0), ("vgg16-2d", 2)}
SEARCHED = ("training.lr", "model.dropout", "training.batch_size")


DONE = object()


def plan(**changes: Any) -> Plan:
    values = {"corpus": "synthetic", "cells": CELLS, "trials_per_cell": N_TRIALS, "max_epochs": 6, "grace_epochs": 1}
    everything = Plan(corpus="synthetic", cells=CELLS).spaces()
    fixed = {
        cell: {n: Plan(cells=(cell,)).experiments()[cell].flat()[n] for n in space if n not in SEARCHED}
        for cell, space in everything.items()
    }
    return Plan(**{**values, "reduction": 2, "cell_settings": fixed, **changes})


PLAN = plan()


def conducted(path: Path, of: Plan = PLAN) -> tuple[Journal, Conductor]:
    journal = Journal(path)
    journal.append(Started("s", of.as_dict(), {}))
    return journal, Conductor(journal, of)


def report_of(ask: Ask, epoch: int, max_epochs: int) -> Reported:
    """Better the nearer dropout is to 0.3 and the later the epoch, with a wobble that depends on the key alone."""
    wobble = random.Random(f"{ask.key}/{epoch}").random()
    dropout = float(ask.experiment.flat()["model.dropout"])
    uar = 0.5 - abs(dropout - 0.3) + 0.05 * epoch + 0.1 * wobble
    metrics = {"val_uar": uar, "val_loss": 2 - uar}
    return Reported(ask.key.cell, ask.key.number, epoch, metrics, [[3, 1], [2, 2]], epoch == max_epochs)


def run_trial(conductor: Conductor, ask: Ask, max_epochs: int) -> Iterator[None]:
    """What Tune and a worker do with one trial; pauses after each step."""
    cell, number = ask.key.cell, ask.key.number
    for epoch in range(1, max_epochs + 1):
        if (cell, number) in FAILING and epoch == 2:
            conductor.end(Ended(cell, number, "failed", "it broke"))
            return
        goes_on = conductor.report(report_of(ask, epoch, max_epochs))
        yield
        if not goes_on:
            conductor.end(Ended(cell, number, "pruned", "behind"))
            return
    test = {"uar": 0.5, "accuracy": 0.5, "macro_f1": 0.5, "confusion": [[1, 1], [1, 1]], "n_parameters": 9}
    conductor.end(Ended(cell, number, "completed", bundle="b", test={**test, "train_seconds": 1.0}))


def drive(conductor: Conductor, of: Plan = PLAN, *, slots: int = 1, seed: int = 0) -> Iterator[None]:
    """Ask for trials and run up to `slots` of them at a time, in a random interleaving; pauses after each step."""
    rng, running, asking = random.Random(seed), [], True
    while asking or running:
        while asking and len(running) < slots:
            ask = conductor.next_trial()
            if ask is None:
                asking = False
                break
            running.append(run_trial(conductor, ask, of.max_epochs))
            yield
        if running:
            trial = rng.choice(running)
            if next(trial, DONE) is DONE:
                running.remove(trial)
            yield


def whole(path: Path, of: Plan = PLAN, **how: int) -> SweepRecord:
    """A sweep from its journal to the end."""
    journal, conductor = conducted(path, of)
    for _ in drive(conductor, of, **how):
        pass
    conductor.close()
    journal.close()
    assert told(replay(path)) == told(conductor.record)
    return conductor.record


def told(record: SweepRecord) -> dict[str, Any]:
    """All that a sweep found out: asks, reports, ends and table, without times and reasons."""
    trials = {}
    for key, trial in record.trials.items():
        reports = {n: (r.metrics, r.last) for n, r in sorted(trial.reports.items())}
        trials[str(key)] = (trial.asked.values, trial.asked.searched, reports, trial.outcome)
    return {"trials": trials, "order": list(trials), "table": [asdict(row) for row in leaderboard(record)]}


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    """A folder in memory, where there is such a place: the laws here wait for ten thousand events to be written."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def tmp_path(memory: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=memory))


@pytest.fixture(scope="module")
def uninterrupted(memory: Path) -> Path:
    whole(memory / "journal.jsonl")
    return memory / "journal.jsonl"


def test_the_played_sweep_holds_every_way_to_end(uninterrupted):
    outcomes = [trial.outcome for trial in replay(uninterrupted).trials.values()]
    assert len(outcomes) == len(CELLS) * N_TRIALS == 12
    assert outcomes.count("failed") == 2
    assert outcomes.count("pruned") >= 4
    assert outcomes.count("completed") >= 4
    assert replay(uninterrupted).closed.outcome == "finished"


def test_every_cell_gets_its_trials_in_turn_and_no_number_twice(uninterrupted):
    asked = [(e.cell, e.number) for _, e in read_events(uninterrupted) if e.kind == "asked"]
    assert asked == [(cell, number) for number in range(N_TRIALS) for cell in CELLS]


def test_trial_0_of_every_cell_is_the_defaults(uninterrupted):
    for cell, experiment in PLAN.experiments().items():
        assert replay(uninterrupted).trials[TrialKey("s", cell, 0)].asked.values == experiment.flat()


def test_asks_differ_between_cells_and_numbers(uninterrupted):
    rates = [t.asked.searched["training.lr"] for t in replay(uninterrupted).trials.values() if t.key.number > 0]
    assert len(set(rates)) == len(rates)


def test_a_sweep_played_again_is_the_same(uninterrupted, tmp_path):
    assert told(whole(tmp_path / "journal.jsonl")) == told(replay(uninterrupted))


def test_what_is_fixed_stays_and_what_is_searched_is_recorded(uninterrupted):
    for trial in replay(uninterrupted).trials.values():
        assert set(trial.asked.searched) == set(SEARCHED)
        assert trial.asked.searched.items() <= trial.asked.values.items()
        fixed = PLAN.experiments()[trial.key.cell].flat()
        assert all(trial.asked.values[name] == fixed[name] for name in fixed if name not in SEARCHED)


def cut(source: Path, target: Path, n_lines: int, torn: int = 0) -> Path:
    lines = source.read_bytes().splitlines(keepends=True)
    rest = lines[n_lines][:torn] if n_lines < len(lines) else b""
    target.write_bytes(b"".join(lines[:n_lines]) + rest)
    return target


def n_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


@pytest.mark.parametrize("search", ["per-cell", GLOBAL])
def test_killed_after_any_event_and_resumed_is_as_uninterrupted(tmp_path, search):
    of = plan(search=search)
    first = tmp_path / "first.jsonl"
    expected = told(whole(first, of))
    assert n_lines(first) > 50
    for n in range(1, n_lines(first) + 1):
        resumed = whole(cut(first, tmp_path / "cut.jsonl", n, torn=n), of)
        assert told(resumed) == expected, f"killed after event {n}"


def test_killed_again_and_again_is_as_uninterrupted(uninterrupted, tmp_path):
    expected, rng = told(replay(uninterrupted)), random.Random(0)
    for n in range(40):
        path = tmp_path / f"{n}.jsonl"
        shutil.copy(uninterrupted, path)
        known = 1
        for _ in range(3):
            known = rng.randint(known, min(n_lines(path), known + 40))
            whole(cut(path, path, known))
        assert told(replay(path)) == expected


def killed_at(path: Path, step: int, of: Plan = PLAN, *, orderly: bool, **how: int) -> bool:
    """Play a sweep and let go of it after `step` steps; whether there were so many."""
    journal, conductor = conducted(path, of)
    steps = drive(conductor, of, **how)
    went_on = all(next(steps, DONE) is not DONE for _ in range(step))
    if orderly:
        conductor.close()
    journal.close()
    return went_on


def test_stopped_in_order_at_any_step_and_resumed_is_as_uninterrupted(uninterrupted, tmp_path):
    expected, step = told(replay(uninterrupted)), 0
    while killed_at(path := tmp_path / f"{step}.jsonl", step, orderly=True):
        is_finished = told(replay(path)) == expected
        assert replay(path).closed.outcome == ("finished" if is_finished else "killed")
        assert {trial.outcome for trial in replay(path).trials.values()} <= {"completed", "pruned", "failed", "killed"}
        assert told(whole(path)) == expected, f"stopped after step {step}"
        step += 1
    assert step > 50


@pytest.mark.parametrize("search", ["per-cell", GLOBAL])
@pytest.mark.parametrize("slots", [2, 4])
def test_with_several_at_a_time_nothing_is_lost_and_nothing_is_done_twice(tmp_path, slots, search):
    of = plan(search=search)
    for step in range(1, 45, 3):
        path = tmp_path / f"{step}.jsonl"
        assert killed_at(path, step, of, orderly=step % 2 == 0, slots=slots, seed=step)
        before = replay(path)
        n_events = len(list(read_events(path)))
        after = whole(path, of, slots=slots, seed=-step)
        assert len(after.trials) == len(CELLS) * N_TRIALS
        assert all(trial.is_final for trial in after.trials.values())
        for key, trial in before.trials.items():
            assert after.trials[key].asked == trial.asked
            assert trial.reports.items() <= after.trials[key].reports.items()
            assert not trial.is_final or after.trials[key].outcome == trial.outcome
        later = [event for _, event in read_events(path)][n_events:]
        asked = [(e.cell, e.number) for _, e in read_events(path) if e.kind == "asked"]
        reported = [(e.cell, e.number, e.epoch) for _, e in read_events(path) if e.kind == "reported"]
        assert len(set(asked)) == len(asked)
        assert len(set(reported)) == len(reported)
        final = {str(key) for key, trial in before.trials.items() if trial.is_final}
        assert final.isdisjoint(f"s/{e.cell}/{e.number:03d}" for e in later if e.kind in ("asked", "reported", "ended"))


def test_several_at_a_time_keep_the_cells_within_one_trial_of_each_other(tmp_path):
    whole(tmp_path / "journal.jsonl", slots=4, seed=3)
    n_asked = dict.fromkeys(CELLS, 0)
    for _, event in read_events(tmp_path / "journal.jsonl"):
        if event.kind == "asked":
            n_asked[event.cell] += 1
            assert max(n_asked.values()) - min(n_asked.values()) <= 1


def interrupted_at_prune(path: Path, *, then: Callable[[Conductor], None]) -> TrialKey:
    """Play until a rung stops a trial, and let the driver go before the end of the trial is written."""
    journal, conductor = conducted(path)
    for _ in drive(conductor):
        key = next((key for key in conductor.open_trials() if conductor.was_pruned(key)), None)
        if key is not None:
            then(conductor)
            journal.close()
            return key
    raise AssertionError("no trial was pruned")


@pytest.mark.parametrize("then", [lambda _: None, Conductor.close], ids=["killed", "stopped"])
def test_a_trial_that_a_rung_had_stopped_ends_as_pruned_at_resume(tmp_path, then):
    path = tmp_path / "journal.jsonl"
    key = interrupted_at_prune(path, then=then)
    assert replay(path).trials[key].outcome == ("pruned" if then is Conductor.close else "open")
    n_reports = len(replay(path).trials[key].reports)
    journal, conductor = conducted(path)
    assert conductor.record.trials[key].outcome == "pruned"
    assert conductor.was_pruned(key)
    assert conductor.next_trial().key != key
    journal.close()
    whole(path)
    assert replay(path).trials[key].outcome == "pruned"
    assert len(replay(path).trials[key].reports) == n_reports


def test_a_trial_taken_up_again_and_pruned_then_is_not_taken_up_a_third_time(tmp_path):
    path = tmp_path / "journal.jsonl"
    key = interrupted_at_prune(path, then=lambda _: None)
    events = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(events[:-1]))
    conducted(path)[0].close()
    assert replay(path).trials[key].outcome == "killed"
    journal, conductor = conducted(path)
    ask = conductor.next_trial()
    assert ask.key == key
    epochs = range(1, 7)
    assert not all(conductor.report(report_of(ask, epoch, 6)) for epoch in epochs)
    journal.close()
    journal, conductor = conducted(path)
    assert conductor.record.trials[key].outcome == "pruned"
    journal.close()


def test_a_repeated_report_changes_nothing(tmp_path):
    journal, conductor = conducted(tmp_path / "journal.jsonl")
    ask = conductor.next_trial()
    assert conductor.report(report_of(ask, 1, 6))
    before = journal.path.read_bytes()
    poorer = Reported(ask.key.cell, 0, 1, {"val_uar": 0.0, "val_loss": 9.0}, [[0]], False)
    assert conductor.report(poorer)
    assert journal.path.read_bytes() == before
    assert conductor.record.trials[ask.key].reports[1].metrics["val_uar"] > 0
    journal.close()


def test_an_interrupted_trial_comes_first_with_its_settings(tmp_path):
    path = tmp_path / "journal.jsonl"
    assert killed_at(path, 35, orderly=False)
    key = next(key for key, trial in replay(path).trials.items() if trial.outcome == "open")
    journal, conductor = conducted(path)
    assert conductor.record.trials[key].ended.outcome == "killed"
    assert conductor.record.trials[key].ended.reason == "the driver died"
    assert conductor.open_trials() == []
    ask = conductor.next_trial()
    assert (ask.key, ask.experiment.flat()) == (key, replay(path).trials[key].asked.values)
    assert conductor.open_trials() == [key]
    journal.close()


def test_optuna_hears_of_pruned_trials_as_pruned(uninterrupted, tmp_path):
    path = tmp_path / "journal.jsonl"
    shutil.copy(uninterrupted, path)
    journal, conductor = conducted(path)
    states = {"completed": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    for cell in CELLS:
        trials = conductor.record.of_cell(cell)
        known = conductor._studies[cell].trials
        assert [trial.state for trial in known] == [states[trial.outcome] for trial in trials]
        for trial, frozen in zip(trials, known, strict=True):
            assert frozen.params == trial.asked.searched
            if trial.outcome == "pruned":
                assert frozen.intermediate_values == {n: r.metrics["val_uar"] for n, r in trial.reports.items()}
    journal.close()


def test_no_trial_goes_past_a_rung_that_stopped_it(uninterrupted):
    for trial in replay(uninterrupted).trials.values():
        if trial.outcome == "pruned":
            assert max(trial.reports) in (1, 2, 4)
            assert not any(report.last for report in trial.reports.values())
        if trial.outcome == "completed":
            assert max(trial.reports) == 6


def test_the_last_epoch_is_never_cut_off_by_a_rung(tmp_path):
    journal, conductor = conducted(tmp_path / "journal.jsonl")
    asks = [conductor.next_trial() for _ in range(2 * len(CELLS))]
    first, second = (ask for ask in asks if ask.key.cell == CELLS[0])
    for ask, uar in ((first, 0.9), (second, 0.1)):
        event = Reported(ask.key.cell, ask.key.number, 1, {"val_uar": uar, "val_loss": 1.0}, [[1]], True)
        assert conductor.report(event)
        assert not conductor.was_pruned(ask.key)
    journal.close()


def test_one_search_over_all_gives_the_defaults_of_each_cell_first(tmp_path):
    of = plan(search=GLOBAL)
    record = whole(tmp_path / "journal.jsonl", of)
    trials = list(record.trials.values())
    assert len(trials) == len(CELLS) * N_TRIALS
    assert [trial.key.cell for trial in trials[: len(CELLS)]] == list(CELLS)
    for trial in trials[: len(CELLS)]:
        assert trial.asked.values == of.experiments()[trial.key.cell].flat()
    assert [trial.key.number for trial in trials] == list(range(12))


def test_a_finished_sweep_has_no_further_trial(uninterrupted, tmp_path):
    path = tmp_path / "journal.jsonl"
    shutil.copy(uninterrupted, path)
    journal, conductor = conducted(path)
    assert conductor.is_finished()
    assert conductor.next_trial() is None
    assert conductor.n_trials == len(conductor.record.trials) == 12
    conductor.close()
    journal.close()
    assert replay(path).closed.outcome == "finished"


def test_events_are_in_the_journal_before_anyone_acts_on_them(tmp_path):
    journal, conductor = conducted(tmp_path / "journal.jsonl")
    for _ in drive(conductor):
        assert told(replay(journal.path)) == told(conductor.record)
    journal.close()


def test_sweeps_of_other_names_and_seeds_ask_for_other_points(tmp_path):
    def rates(name: str, seed: int) -> set[float]:
        journal = Journal(tmp_path / f"{name}-{seed}.jsonl")
        journal.append(Started(name, {}, {}))
        conductor = Conductor(journal, plan(seed=seed))
        asks = [conductor.next_trial() for _ in range(9)]
        journal.close()
        return {ask.experiment.flat()["training.lr"] for ask in asks[3:]}

    found = [rates("s", 0), rates("t", 0), rates("s", 1)]
    assert len(set.union(*found)) == 18
