"""Agreement of intervals, tests and calibration with scipy's and scikit-learn's."""

import numpy as np
import pytest
from scipy.stats import bootstrap, permutation_test  # type: ignore[attr-defined]
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, balanced_accuracy_score, brier_score_loss, f1_score

from ser.evaluation.bootstrap import interval
from ser.evaluation.calibration import brier_score, expected_calibration_error, reliability_curve
from ser.evaluation.significance import compare, holm
from ser.evaluation.speaker_counts import FIGURES, count_by_speaker

N_CLASSES = 4
OTHERS = {
    "uar": balanced_accuracy_score,
    "accuracy": accuracy_score,
    "macro_f1": lambda truth, prediction: f1_score(truth, prediction, average="macro"),
}


def predictions(n_speakers: int, n_clips: int, seed: int, n_repeats: int = 1) -> tuple[np.ndarray, ...]:
    """Speakers, truth, and one row of predictions a repeat: (n,), (n,), (R, n)."""
    rng = np.random.default_rng(seed)
    speakers = np.repeat(np.arange(n_speakers), n_clips)
    truth = np.tile(np.arange(n_clips) % N_CLASSES, n_speakers)
    ease = rng.uniform(0.3, 0.9, n_speakers)[speakers]
    guesses = rng.integers(0, N_CLASSES, (n_repeats, len(truth)))
    return speakers, truth, np.where(rng.random(guesses.shape) < ease, truth, guesses)


def counted(speakers: np.ndarray, truth: np.ndarray, rows: np.ndarray):
    n_repeats = len(rows)
    return count_by_speaker(
        [f"{each:03d}" for each in np.tile(speakers, n_repeats)],
        np.tile(truth, n_repeats),
        rows.ravel(),
        n_classes=N_CLASSES,
        repeats=list(np.repeat(np.arange(n_repeats), len(truth))),
    )


def recalls_by_speaker(speakers: np.ndarray, truth: np.ndarray, row: np.ndarray) -> np.ndarray:
    """The UAR of each speaker alone, by scikit-learn."""
    own = (speakers == speaker for speaker in np.unique(speakers))
    return np.array([balanced_accuracy_score(truth[clips], row[clips]) for clips in own])


@pytest.mark.parametrize("name", FIGURES)
def test_intervals_are_scipys_bootstrap_of_speakers(name: str) -> None:
    speakers, truth, rows = predictions(15, 24, seed=1, n_repeats=2)
    where = [np.flatnonzero(speakers == speaker) for speaker in range(15)]

    def figure(drawn: np.ndarray) -> float:
        clips = np.concatenate([where[speaker] for speaker in drawn])
        return float(np.mean([OTHERS[name](truth[clips], row[clips]) for row in rows]))

    theirs = bootstrap(
        (np.arange(15),), figure, vectorized=False, method="percentile", n_resamples=250, rng=np.random.default_rng(2)
    ).confidence_interval
    ours = interval(counted(speakers, truth, rows), FIGURES[name], n_resamples=20_000)
    assert ours.value == pytest.approx(figure(np.arange(15)))
    # Ends of 250 draws scatter by less than a sixth of the interval's width.
    tolerance = 0.16 * (ours.high - ours.low)
    assert ours.low == pytest.approx(theirs.low, abs=tolerance)
    assert ours.high == pytest.approx(theirs.high, abs=tolerance)


@pytest.mark.parametrize("seed", range(4))
def test_exact_p_values_are_scipys(seed: int) -> None:
    """With equally many clips of each class and speaker the UAR is a mean of the speakers' own."""
    speakers, truth, rows = predictions(9, 24, seed=seed, n_repeats=2)
    one, other = (recalls_by_speaker(speakers, truth, row) for row in rows)
    theirs = permutation_test(
        (one, other), lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples", n_resamples=np.inf
    )
    first, second = (counted(speakers, truth, row[None]) for row in rows)
    ours = compare(first, second, FIGURES["uar"])
    assert ours.difference.value == pytest.approx(theirs.statistic)
    assert ours.p_value == pytest.approx(theirs.pvalue)


def test_drawn_p_values_are_near_the_exact_ones() -> None:
    speakers, truth, rows = predictions(13, 24, seed=8, n_repeats=2)
    first, second = (counted(speakers, truth, row[None]) for row in rows)
    exact = compare(first, second, FIGURES["macro_f1"], n_resamples=2**13).p_value
    drawn = compare(first, second, FIGURES["macro_f1"], n_resamples=2**13 - 1).p_value
    assert 0.01 < exact < 0.99
    assert drawn != exact
    assert drawn == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 2**13))


def test_intervals_of_differences_are_scipys() -> None:
    speakers, truth, rows = predictions(20, 24, seed=4, n_repeats=2)
    own = [
        np.array([balanced_accuracy_score(truth[speakers == s], row[speakers == s]) for s in range(20)]) for row in rows
    ]
    theirs = bootstrap(
        (own[0] - own[1],), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(0)
    ).confidence_interval
    first, second = (counted(speakers, truth, row[None]) for row in rows)
    ours = compare(first, second, FIGURES["uar"], n_resamples=20_000)
    tolerance = 0.03 * (theirs.high - theirs.low)
    assert ours.difference.low == pytest.approx(theirs.low, abs=tolerance)
    assert ours.difference.high == pytest.approx(theirs.high, abs=tolerance)


def test_holm_gives_what_r_gives() -> None:
    """R 4: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm") and p.adjust(c(0.001, 0.5, 0.012, 0.9), "holm")."""
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.001, 0.5, 0.012, 0.9]) == pytest.approx([0.004, 1.0, 0.036, 1.0])


def calibrated(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(N_CLASSES, 0.5), size=400)
    truth = np.array([rng.choice(N_CLASSES, p=row**2 / (row**2).sum()) for row in probabilities])
    return probabilities, truth


@pytest.mark.parametrize("seed", range(3))
def test_brier_score_is_scikit_learns(seed: int) -> None:
    probabilities, truth = calibrated(seed)
    theirs = brier_score_loss(truth, probabilities, labels=range(N_CLASSES), scale_by_half=False)
    assert brier_score(probabilities, truth) == pytest.approx(theirs)


@pytest.mark.parametrize("seed", range(3))
def test_the_reliability_curve_is_scikit_learns(seed: int) -> None:
    probabilities, truth = calibrated(seed)
    hits = probabilities.argmax(axis=1) == truth
    accuracy, confidence = calibration_curve(hits, probabilities.max(axis=1), n_bins=15)
    curve = reliability_curve(probabilities, truth)
    assert [part.accuracy for part in curve] == pytest.approx(list(accuracy))
    assert [part.confidence for part in curve] == pytest.approx(list(confidence))
    shares = np.array([part.n_clips for part in curve]) / len(truth)
    assert sum(shares) == pytest.approx(1)
    expected = float((shares * np.abs(accuracy - confidence)).sum())
    assert expected_calibration_error(probabilities, truth) == pytest.approx(expected)
