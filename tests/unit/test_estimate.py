"""Estimate of a sweep's duration: expected epochs, and a timing of each cell."""

import numpy as np
import pytest
import torch

from ser.sweep.estimate import CellEstimate, estimate, estimate_epochs
from ser.sweep.plan import Plan
from ser.sweep.successive_halving import Rungs

CELLS = ("lenet5-1d", "lenet5-2d")


def plan(**values) -> Plan:
    return Plan(**{"corpus": "synthetic", "cells": CELLS, **values})


@pytest.mark.parametrize(("n_trials", "max_epochs"), [(1, 40), (7, 4), (5, 1)])
def test_without_a_rung_or_a_rival_every_trial_trains_to_the_end(n_trials, max_epochs):
    of = plan(trials_per_cell=n_trials, max_epochs=max_epochs, grace_epochs=4)
    assert estimate_epochs(of) == n_trials * max_epochs


def test_two_trials_by_hand():
    # One rung, at 2 of 6 epochs: the second trial goes on if it is better, in half of all orders.
    of = plan(trials_per_cell=2, max_epochs=6, grace_epochs=2, reduction=3)
    assert estimate_epochs(of) == pytest.approx(6 + (6 + 2) / 2, abs=0.5)


def test_expected_epochs_are_those_of_rungs_played_through():
    of = plan(trials_per_cell=12, max_epochs=30, grace_epochs=3, reduction=3)
    rng, totals = np.random.default_rng(99), []
    for _ in range(400):
        rungs, total = Rungs(grace=3, max_epochs=30, reduction=3), 0
        for score in rng.random(12):
            for epoch in range(1, 31):
                total += 1
                if not rungs.record(epoch=epoch, score=float(score)):
                    break
        totals.append(total)
    error = np.std(totals) * np.sqrt(1 / 200 + 1 / 400)
    assert estimate_epochs(of) == pytest.approx(np.mean(totals), abs=4 * error)
    assert 12 * 3 < estimate_epochs(of) < 12 * 30
    assert estimate_epochs(of) == estimate_epochs(of)


def test_seconds_are_epochs_times_clips_times_time():
    assert CellEstimate(ms_per_clip=2.0, n_parameters=1, n_epochs=50.0).seconds(3000) == 300.0


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_a_probe_trains_each_cell_as_it_is():
    of = plan(trials_per_cell=3, max_epochs=2, grace_epochs=2, cell_settings={"lenet5-2d": {"model.width": 0.5}})
    found = estimate(of, of.experiments)
    assert list(found) == list(CELLS)
    assert [guess.n_epochs for guess in found.values()] == [6.0, 6.0]
    assert all(0 < guess.ms_per_clip < 1000 for guess in found.values())
    narrow, wide = (estimate(p, {"lenet5-2d": p.experiments["lenet5-2d"]})["lenet5-2d"] for p in (of, plan()))
    assert found["lenet5-2d"].n_parameters == narrow.n_parameters < wide.n_parameters
    assert torch.get_num_threads() == 1
