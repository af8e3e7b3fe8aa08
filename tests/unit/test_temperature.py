"""The temperature: it finds what was done to probabilities, and moves no decision."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.evaluation.calibration import expected_calibration_error
from ser.evaluation.inference import compute_probabilities
from ser.evaluation.temperature import HIGHEST, LOWEST, fit_temperature

N_CLASSES = 6


def honest(n_clips: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax is the truth about their labels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n_clips, N_CLASSES)).astype(np.float32)
    shares = compute_probabilities(logits, temperature=1.0)
    return logits, np.array([rng.choice(N_CLASSES, p=row) for row in shares])


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_it_undoes_a_scaling_of_honest_logits(factor: float) -> None:
    logits, labels = honest(20_000, seed=1)
    assert fit_temperature(factor * logits, labels) == pytest.approx(factor, rel=0.03)


def test_what_is_fitted_on_some_clips_makes_others_honest() -> None:
    logits, labels = honest(4_000, seed=2)
    sure = 3 * logits
    temperature = fit_temperature(sure[:2_000], labels[:2_000])
    before, after = (
        expected_calibration_error(compute_probabilities(sure[2_000:], temperature=by), labels[2_000:])
        for by in (1.0, temperature)
    )
    assert after < 0.3 * before


def test_it_stays_within_its_bounds_where_likelihood_has_no_end() -> None:
    certain = 5 * np.eye(N_CLASSES, dtype=np.float32)
    right, wrong = np.arange(N_CLASSES), (np.arange(N_CLASSES) + 1) % N_CLASSES
    assert fit_temperature(certain, right) == pytest.approx(LOWEST, rel=1e-3)
    assert fit_temperature(certain, wrong) == pytest.approx(HIGHEST, rel=1e-3)


@given(st.integers(0, 2**32 - 1), st.floats(LOWEST, HIGHEST))
def test_it_moves_no_decision_and_each_row_is_what_it_is_alone(seed: int, temperature: float) -> None:
    logits = np.random.default_rng(seed).normal(0, 30, (13, N_CLASSES)).astype(np.float32)
    shares = compute_probabilities(logits, temperature=temperature)
    np.testing.assert_array_equal(shares.argmax(axis=1), logits.argmax(axis=1))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    for number, row in enumerate(shares):
        assert np.array_equal(row, compute_probabilities(logits[number : number + 1], temperature=temperature)[0])


def test_huge_logits_have_finite_probabilities() -> None:
    shares = compute_probabilities(np.array([[1e30, -1e30, 0.0]], np.float32), temperature=1.0)
    assert shares.tolist() == [[1.0, 0.0, 0.0]]
