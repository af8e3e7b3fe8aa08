"""Chance and MFCC + SVM: laws on made-up summaries."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ser.evaluation.baselines import COSTS, GAMMAS, baseline_path, predict_majority, summarise, train_mfcc_svm
from ser.evaluation.metrics import accuracy, confusion_matrix, unweighted_average_recall
from ser.splits.partition import Partition
from ser.splits.split import Split

N_CLASSES = 3


def parts_of(n_clips: int) -> Partition:
    """Three of five clips train, one validates, one tests."""
    at = np.arange(n_clips)
    train, validation, test = (tuple(at[np.isin(at % 5, wanted)].tolist()) for wanted in ((0, 1, 2), (3,), (4,)))
    return Partition("made-up", "speaker-dependent", 0, train, validation, test, digest="")


def made_up(n_clips: int = 300, *, apart: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Summaries whose classes are `apart` deviations from each other in two of eight numbers."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, N_CLASSES, n_clips)
    summaries = rng.standard_normal((n_clips, 8))
    summaries[:, :2] += apart * np.array([[0, 0], [1, 0], [0, 1]])[labels]
    return 50 + 20 * summaries, labels


def uar(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    return unweighted_average_recall(confusion_matrix(labels, predicted, n_classes=N_CLASSES))


def test_summary_is_mean_deviation_and_deviation_of_the_slope() -> None:
    clip = np.array([[0, 5], [2, 5], [4, 5], [6, 5], [8, 5], [10, 5], [12, 5]], np.float32)
    summary = summarise(clip)
    slopes = [(1 * 2 + 2 * 4) / 10, (1 * 4 + 2 * 6) / 10, 2, 2, 2, 1.6, 1]
    np.testing.assert_allclose(summary, [6, 5, 4, 0, float(np.std(slopes)), 0], atol=1e-12)


def test_summary_of_a_single_frame_has_no_deviation() -> None:
    np.testing.assert_array_equal(summarise(np.array([[3, -7]], np.float32)), [3, -7, 0, 0, 0, 0])


def test_separate_classes_are_recognised() -> None:
    summaries, labels = made_up(apart=4)
    partition = parts_of(len(labels))
    result = train_mfcc_svm(summaries, labels, partition, n_classes=N_CLASSES)
    test = result.predictions["test"]
    assert uar(labels[test.positions], test.labels) > 0.9
    validation = result.predictions["validation"]
    assert uar(labels[validation.positions], validation.labels) == result.validation_uar
    assert result.cost in COSTS
    assert result.gamma * 8 in [pytest.approx(gamma) for gamma in GAMMAS]
    for part, predicted in result.predictions.items():
        assert tuple(predicted.positions) == partition.parts[part]
        np.testing.assert_allclose(predicted.probabilities.sum(axis=1), 1)
        np.testing.assert_array_equal(predicted.probabilities.argmax(axis=1), predicted.labels)


def test_shuffled_labels_give_chance() -> None:
    summaries, labels = made_up(1500, apart=4)
    shuffled = np.random.default_rng(0).permutation(labels)
    test = train_mfcc_svm(summaries, shuffled, parts_of(len(labels)), n_classes=N_CLASSES).predictions["test"]
    assert abs(uar(shuffled[test.positions], test.labels) - 1 / N_CLASSES) < 0.08


def test_test_clips_choose_and_scale_nothing() -> None:
    summaries, labels = made_up(apart=2)
    partition = parts_of(len(labels))
    before = train_mfcc_svm(summaries, labels, partition, n_classes=N_CLASSES)
    test = np.asarray(partition.test)
    summaries[test[1:]] *= -1000
    labels[test] = 0
    after = train_mfcc_svm(summaries, labels, partition, n_classes=N_CLASSES)
    assert (after.cost, after.gamma, after.temperature) == (before.cost, before.gamma, before.temperature)
    np.testing.assert_array_equal(
        before.predictions["validation"].probabilities, after.predictions["validation"].probabilities
    )
    np.testing.assert_array_equal(
        before.predictions["test"].probabilities[0], after.predictions["test"].probabilities[0]
    )


def test_the_temperature_makes_the_validation_clips_likelier_than_any_other_would() -> None:
    summaries, labels = made_up(apart=1)
    result = train_mfcc_svm(summaries, labels, parts_of(len(labels)), n_classes=N_CLASSES)
    validation = result.predictions["validation"]

    def loss(sharper: float) -> float:
        powers = validation.probabilities**sharper
        shares = powers / powers.sum(axis=1, keepdims=True)
        return -float(np.log(shares[np.arange(len(shares)), labels[validation.positions]]).mean())

    assert loss(1) <= min(loss(0.9), loss(1.1)) + 1e-6


def test_a_class_without_training_clip_is_refused() -> None:
    summaries, labels = made_up(apart=1)
    labels[np.asarray(parts_of(len(labels)).train)] %= 2
    with pytest.raises(ValueError, match="class 2 has no training clip in made-up"):
        train_mfcc_svm(summaries, labels, parts_of(len(labels)), n_classes=N_CLASSES)


def test_majority_is_the_most_frequent_class_of_training_and_has_chance_uar() -> None:
    labels = np.array([0, 1, 1, 0, 0, 2, 1, 1, 2, 2, 1, 0, 0, 1, 1])
    partition = parts_of(len(labels))
    test = predict_majority(labels, partition, n_classes=N_CLASSES)["test"]
    assert test.labels.tolist() == [1, 1, 1]
    np.testing.assert_allclose(test.probabilities, np.tile([3 / 9, 5 / 9, 1 / 9], (3, 1)))
    confusion = confusion_matrix(labels[test.positions], test.labels, n_classes=N_CLASSES)
    assert unweighted_average_recall(confusion) == pytest.approx(1 / 3)
    assert accuracy(confusion) == pytest.approx(1 / 3)


def test_files_of_different_splits_have_different_names() -> None:
    drawn = (
        Split(), Split(seed=3), Split(name="speaker-5fold", fold=3), Split(selection="assignment/0/0")
    )  # fmt: skip
    names = [baseline_path(Path("s"), "majority", split) for split in drawn]
    assert [str(name) for name in names] == [
        "s/baselines/majority/assignment-0.csv",
        "s/baselines/majority/assignment-0-seed3.csv",
        "s/baselines/majority/speaker-5fold-3.csv",
        "s/baselines/majority/assignment-0-unseen.csv",
    ]
