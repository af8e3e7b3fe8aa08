import doctest
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ser.evaluation.metrics
from ser.evaluation.metrics import (
    MetricError,
    accuracy,
    confusion_matrix,
    macro_f1,
    recall_per_class,
    unweighted_average_recall,
    unweighted_average_recall_standard_error,
)

FIGURES: list[Callable[..., Any]] = [
    accuracy,
    macro_f1,
    recall_per_class,
    unweighted_average_recall,
    unweighted_average_recall_standard_error,
]


def test_the_examples_are_true():
    results = doctest.testmod(ser.evaluation.metrics, extraglobs={"np": np})
    assert results.attempted == 6
    assert results.failed == 0


def test_rows_are_truth_and_columns_prediction():
    assert confusion_matrix([2, 2], [0, 2], n_classes=3).tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 1]]


def test_no_clips_give_an_empty_matrix():
    assert not confusion_matrix([], [], n_classes=2).any()


def test_a_perfect_and_an_always_wrong_network():
    perfect, wrong = np.diag([5, 1, 3]), np.array([[0, 5, 0], [1, 0, 0], [0, 3, 0]])
    for figure in (accuracy, macro_f1, unweighted_average_recall):
        assert figure(perfect) == 1.0
        assert figure(wrong) == 0.0
    assert unweighted_average_recall_standard_error(perfect) == 0.0


def test_guessing_the_largest_class_is_chance_for_recall_not_for_accuracy():
    confusion = np.array([[90, 0, 0], [6, 0, 0], [4, 0, 0]])
    assert unweighted_average_recall(confusion) == pytest.approx(1 / 3)
    assert accuracy(confusion) == 0.9


def test_absent_classes_are_excluded_from_every_mean():
    with_absent = np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]])
    without = with_absent[:2, :2]
    assert np.isnan(recall_per_class(with_absent)[2])
    for figure in (macro_f1, unweighted_average_recall, unweighted_average_recall_standard_error):
        assert figure(with_absent) == figure(without)


def test_the_order_of_the_classes_does_not_matter():
    confusion = np.random.default_rng(0).integers(0, 20, (6, 6))
    order = np.random.default_rng(1).permutation(6)
    for figure in FIGURES:
        expected = figure(confusion)
        shuffled = figure(confusion[np.ix_(order, order)])
        np.testing.assert_allclose(shuffled, expected[order] if np.ndim(expected) else expected)


def test_standard_error_is_the_spread_of_simulated_recalls():
    rng = np.random.default_rng(3)
    recall, n_clips = np.array([0.9, 0.5, 0.2]), np.array([40, 100, 25])
    hits = rng.binomial(n_clips, recall, size=(20_000, 3))
    expected = np.column_stack([recall * n_clips, (1 - recall) * n_clips]).round().astype(int)
    confusion = np.array(
        [
            [expected[0, 0], expected[0, 1], 0],
            [0, expected[1, 0], expected[1, 1]],
            [expected[2, 1], 0, expected[2, 0]],
        ]
    )
    spread = (hits / n_clips).mean(axis=1).std()
    assert unweighted_average_recall_standard_error(confusion) == pytest.approx(spread, rel=0.03)


@pytest.mark.parametrize(
    ("truth", "prediction", "rule"),
    [
        ([0, 1], [0], "equally long"),
        ([[0]], [[0]], "equally long"),
        ([0.5], [0], "truth must hold whole numbers"),
        ([0], [3], r"prediction must lie in \[0, 3\), got 3"),
        ([-1], [0], r"truth must lie in \[0, 3\), got -1"),
    ],
)
def test_unusable_labels_are_refused(truth, prediction, rule):
    with pytest.raises(MetricError, match=rule):
        confusion_matrix(truth, prediction, n_classes=3)


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize(
    ("confusion", "rule"),
    [
        (np.ones((2, 3), int), "square"),
        (np.ones(4, int), "square"),
        (np.array([[1, -1], [0, 1]]), "counts"),
        (np.zeros((2, 2), int), "no clip"),
    ],
)
def test_unusable_matrices_are_refused(figure, confusion, rule):
    with pytest.raises(MetricError, match=rule):
        figure(confusion)
