"""Simulation of a sweep without Ray, with made-up scores; it can be interrupted, cut, resumed and compared."""

import random
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ser.report.leaderboard import leaderboard
from ser.sweep.controller import Controller, NextTrial
from ser.sweep.final_evaluation import plan_trainings
from ser.sweep.journal import Ended, Journal, Reported, Started, TrialKey
from ser.sweep.plan import Plan
from ser.sweep.state import replay
from tests.support.epoch_reports import reports_of

CELLS = ("lenet5-1d", "sercnn-2d", "vgg16-2d")
N_TRIALS = 4
FAILING = {("sercnn-2d", 2), ("vgg16-2d", 0), ("vgg16-2d", 2), ("sercnn-2d", 5)}
SEARCHED = ("training.lr", "model.dropout", "training.batch_size")
DONE = object()


def plan(**changes: Any) -> Plan:
    values = {"corpus": "synthetic", "cells": CELLS, "trials_per_cell": N_TRIALS, "max_epochs": 6, "grace_epochs": 1}
    everything = Plan(corpus="synthetic", cells=CELLS).search_spaces
    fixed = {
        cell: {n: Plan(cells=(cell,)).experiments[cell].flat()[n] for n in space if n not in SEARCHED}
        for cell, space in everything.items()
    }
    return Plan(**{**values, "reduction": 2, "cell_settings": fixed, **changes})


PLAN = plan()


def start_controller(path: Path, of: Plan = PLAN) -> tuple[Journal, Controller]:
    journal = Journal(path)
    journal.append(Started("s", of.as_dict(), {}))
    return journal, Controller(journal, of, plan_trainings(of))


def report_of(ask: NextTrial, epoch: int, max_epochs: int) -> Reported:
    """Better the nearer dropout is to 0.3 and the later the epoch, with a wobble that depends on the key alone."""
    wobble = random.Random(f"{ask.key}/{epoch}").random()
    dropout = float(ask.experiment.flat()["model.dropout"])
    uar = 0.5 - abs(dropout - 0.3) + 0.05 * epoch + 0.1 * wobble
    metrics = {"val_uar": uar, "val_loss": 2 - uar}
    return Reported(ask.key.cell, ask.key.number, epoch, metrics, [[3, 1], [2, 2]], epoch == max_epochs)


def run_trial(controller: Controller, ask: NextTrial, max_epochs: int) -> Iterator[None]:
    """Do the steps of Tune and a worker for one trial; pauses after each step."""
    cell, number = ask.key.cell, ask.key.number
    for epoch in range(1, max_epochs + 1):
        if (cell, number) in FAILING and epoch == 2:
            controller.end(Ended(cell, number, "failed", "it broke"))
            return
        goes_on = controller.report(report_of(ask, epoch, max_epochs))
        yield
        if not goes_on:
            controller.end(Ended(cell, number, "pruned", "behind"))
            return
    test = {"uar": 0.5, "accuracy": 0.5, "macro_f1": 0.5, "confusion": [[1, 1], [1, 1]], "n_parameters": 9}
    controller.end(Ended(cell, number, "completed", bundle="b", test={**test, "train_seconds": 1.0}))


def drive(controller: Controller, of: Plan = PLAN, *, slots: int = 1, seed: int = 0) -> Iterator[None]:
    """Ask for trials and run up to `slots` of them at a time, in a random interleaving; pauses after each step."""
    running: list[Iterator[None]] = []
    rng, asking = random.Random(seed), True
    while asking or running:
        while asking and len(running) < slots:
            ask = controller.next_trial()
            if ask is None:
                asking = controller.is_waiting
                break
            running.append(run_trial(controller, ask, of.max_epochs))
            yield
        if running:
            trial = rng.choice(running)
            if next(trial, DONE) is DONE:
                running.remove(trial)
            yield


def run_to_end(path: Path, of: Plan = PLAN, **how: int) -> Path:
    """Run a sweep from its journal to the end; returns the path of the journal."""
    journal, controller = start_controller(path, of)
    for _ in drive(controller, of, **how):
        pass
    controller.close()
    journal.close()
    assert replay(path) == controller.state
    return path


def summarise_sweep(path: Path) -> dict[str, Any]:
    """Trials, reports, outcomes and table of a sweep, without times and reasons."""
    record, reported, trials = replay(path), reports_of(path), {}
    for key, trial in record.trials.items():
        reports = {n: (r.metrics, r.last) for n, r in sorted(reported[key].items())}
        trials[str(key)] = (trial.stage, trial.asked.values, trial.asked.searched, reports, trial.outcome)
    return {"trials": trials, "order": list(trials), "table": [asdict(row) for row in leaderboard(record)]}


def cut_journal(source: Path, target: Path, n_lines: int, torn: int = 0) -> Path:
    lines = source.read_bytes().splitlines(keepends=True)
    rest = lines[n_lines][:torn] if n_lines < len(lines) else b""
    target.write_bytes(b"".join(lines[:n_lines]) + rest)
    return target


def n_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def interrupt_at(path: Path, step: int, of: Plan = PLAN, *, orderly: bool, **how: int) -> bool:
    """Interrupt a sweep after `step` steps; False if it has ended before."""
    journal, controller = start_controller(path, of)
    steps = drive(controller, of, **how)
    went_on = all(next(steps, DONE) is not DONE for _ in range(step))
    if orderly:
        controller.close()
    journal.close()
    return went_on


def interrupt_at_prune(path: Path, *, then: Callable[[Controller], None]) -> TrialKey:
    """Interrupt a sweep when a rung stops a trial, before the end of the trial is written."""
    journal, controller = start_controller(path)
    for _ in drive(controller):
        key = next((key for key in controller.open_trials() if controller.was_pruned(key)), None)
        if key is not None:
            then(controller)
            journal.close()
            return key
    raise AssertionError("no trial was pruned")
