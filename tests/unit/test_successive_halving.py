"""The rungs of one cell, against a brute-force reference."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.sweep.successive_halving import Rungs


def goes_on_by_hand(earlier: list[float], score: float, reduction: int) -> bool:
    """At or above the (1 - 1/reduction) quantile of those before it, interpolated linearly between neighbours."""
    if not earlier:
        return True
    ranked = sorted(earlier)
    position = (1 - Fraction(1, reduction)) * (len(ranked) - 1)
    low, share = math.floor(position), position - math.floor(position)
    high = min(low + 1, len(ranked) - 1)
    return Fraction(score) >= Fraction(ranked[low]) + share * (Fraction(ranked[high]) - Fraction(ranked[low]))


@pytest.mark.parametrize(
    ("grace", "max_epochs", "reduction", "milestones"),
    [
        (4, 40, 3, (4, 12, 36)),
        (5, 25, 3, (5, 15)),
        (2, 6, 3, (2,)),
        (1, 9, 3, (1, 3)),
        (1, 8, 2, (1, 2, 4)),
        (8, 8, 2, ()),
        (10, 5, 2, ()),
        (1, 1, 2, ()),
        (3, 4, 100, (3,)),
    ],
)
def test_rungs_lie_a_factor_apart_from_grace_to_below_the_end(grace, max_epochs, reduction, milestones):
    assert Rungs(grace=grace, max_epochs=max_epochs, reduction=reduction).milestones == milestones


# Whole hundredths, so that ties are frequent and no rounding decides.
@given(
    scores=st.lists(st.integers(0, 100), max_size=40),
    reduction=st.integers(2, 5),
)
def test_a_rung_decides_as_the_reference_does(scores, reduction):
    rungs = Rungs(grace=1, max_epochs=2, reduction=reduction)
    for n, score in enumerate(scores):
        goes_on = rungs.record(epoch=1, score=score / 100)
        assert goes_on == goes_on_by_hand([s / 100 for s in scores[:n]], score / 100, reduction)


def test_whole_trials_against_the_reference():
    rng = np.random.default_rng(0)
    rungs = Rungs(grace=2, max_epochs=20, reduction=3)
    reached: dict[int, list[float]] = {2: [], 6: [], 18: []}
    stopped_at = []
    for _ in range(60):
        curve = np.sort(rng.random(20)).round(3)
        for epoch, score in enumerate(curve.tolist(), start=1):
            expected = epoch not in reached or goes_on_by_hand(reached[epoch], score, 3)
            assert rungs.record(epoch=epoch, score=score) == expected
            if epoch in reached:
                reached[epoch].append(score)
            if not expected:
                stopped_at.append(epoch)
                break
    assert set(stopped_at) == {2, 6, 18}
    assert len(reached[2]) == 60
    assert len(reached[2]) > len(reached[6]) > len(reached[18])


def test_no_trial_stops_before_its_grace_nor_between_rungs():
    rungs = Rungs(grace=4, max_epochs=40, reduction=3)
    for _ in range(5):
        assert all(rungs.record(epoch=epoch, score=1.0) for epoch in range(1, 41))
    assert all(rungs.record(epoch=epoch, score=0.0) for epoch in range(1, 41) if epoch not in rungs.milestones)
    assert not any(rungs.record(epoch=epoch, score=0.0) for epoch in rungs.milestones)


def test_the_first_to_reach_a_rung_and_its_equals_go_on():
    rungs = Rungs(grace=1, max_epochs=3, reduction=3)
    assert [rungs.record(epoch=1, score=0.5) for _ in range(4)] == [True] * 4


def test_about_one_in_reduction_goes_on():
    rng = np.random.default_rng(1)
    for reduction in (2, 3, 4):
        rungs = Rungs(grace=1, max_epochs=2, reduction=reduction)
        share = np.mean([rungs.record(epoch=1, score=score) for score in rng.random(2000).tolist()])
        assert share == pytest.approx(1 / reduction, abs=0.04)


def test_cells_have_rungs_of_their_own():
    good, poor = (Rungs(grace=1, max_epochs=2, reduction=2) for _ in range(2))
    assert all(good.record(epoch=1, score=score) for score in (0.8, 0.9))
    assert poor.record(epoch=1, score=0.1)
