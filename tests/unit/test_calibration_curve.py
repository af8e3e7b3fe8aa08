"""Calibration error, reliability curve and Brier score of calibrated and uncalibrated probabilities."""

import numpy as np
import pytest

from ser.errors import UserError
from ser.evaluation.calibration import brier_score, expected_calibration_error, reliability_curve


def test_one_who_is_sure_and_right_is_perfect() -> None:
    probabilities, truth = np.eye(3)[[0, 1, 2, 0]], np.array([0, 1, 2, 0])
    assert expected_calibration_error(probabilities, truth) == 0
    assert brier_score(probabilities, truth) == 0
    (only,) = reliability_curve(probabilities, truth)
    assert (only.low, only.high, only.n_clips, only.confidence, only.accuracy) == (14 / 15, 1.0, 4, 1.0, 1.0)


def test_one_who_is_sure_and_wrong_is_worst() -> None:
    probabilities, truth = np.eye(2)[[0, 1]], np.array([1, 0])
    assert expected_calibration_error(probabilities, truth) == 1
    assert brier_score(probabilities, truth) == 2


def test_one_who_knows_the_shares_alone_is_calibrated() -> None:
    probabilities, truth = np.tile([0.75, 0.25], (100, 1)), np.repeat([0, 1], [75, 25])
    assert expected_calibration_error(probabilities, truth) == pytest.approx(0)
    assert brier_score(probabilities, truth) == pytest.approx(2 * 0.75 * 0.25)


def test_a_probability_on_an_edge_counts_to_the_lower_bin() -> None:
    probabilities = np.array([[0.5, 0.5], [0.51, 0.49]])
    curve = reliability_curve(probabilities, np.array([0, 0]), n_bins=2)
    assert [(part.low, part.high, part.n_clips) for part in curve] == [(0.0, 0.5, 1), (0.5, 1.0, 1)]


@pytest.mark.parametrize(
    ("probabilities", "truth", "rule"),
    [
        (np.ones((2, 2)) / 2, np.array([0]), r"got \(2, 2\) and \(1,\)"),
        (np.ones((0, 2)), np.array([], dtype=int), "n > 0"),
        (np.array([[0.9, 0.3]]), np.array([0]), "sum to 1"),
        (np.array([[1.2, -0.2]]), np.array([0]), "positive"),
    ],
)
def test_what_is_no_probability_is_refused(probabilities: np.ndarray, truth: np.ndarray, rule: str) -> None:
    with pytest.raises(UserError, match=rule):
        expected_calibration_error(probabilities, truth)
