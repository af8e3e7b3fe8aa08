"""Metrics as pure functions of the confusion matrix. C is the number of classes.

Functions with a plural name accept many matrices at once, (..., C, C), which may hold weighted counts.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Confusion = NDArray[np.int64]
Confusions = NDArray[np.generic]
Figures = NDArray[np.float64]


class MetricError(ValueError):
    """Labels or a confusion matrix that break a rule of a metric."""


def confusion_matrix(truth: ArrayLike, prediction: ArrayLike, *, n_classes: int) -> Confusion:
    """Confusion matrix: number of clips of class i that were predicted as class j.

    Args:
        truth: class of each clip, (n,), whole numbers in [0, C).
        prediction: predicted class of each clip, (n,), whole numbers in [0, C).
        n_classes: C.

    Returns:
        (C, C) int64, rows are truth, columns predictions.

    Raises:
        MetricError: different lengths, not one-dimensional, not whole numbers, or a class outside [0, C).

    Example:
        >>> confusion_matrix([0, 0, 1], [0, 1, 1], n_classes=2).tolist()
        [[1, 1], [0, 1]]
    """
    rows, columns = np.asarray(truth), np.asarray(prediction)
    if rows.ndim != 1 or rows.shape != columns.shape:
        raise MetricError(f"truth and prediction must be equally long rows, got {rows.shape} and {columns.shape}")
    for name, labels in (("truth", rows), ("prediction", columns)):
        _check_labels(name, labels, n_classes)
    cells = np.bincount(rows.astype(np.int64) * n_classes + columns.astype(np.int64), minlength=n_classes**2)
    return cells.reshape(n_classes, n_classes).astype(np.int64)


def recalls_per_class(confusions: Confusions) -> Figures:
    """Recall of each class in each matrix, (..., C) in [0, 1], NaN for a class without clips."""
    return _divide(np.diagonal(confusions, axis1=-2, axis2=-1), confusions.sum(axis=-1))


def unweighted_average_recalls(confusions: Confusions) -> Figures:
    """Unweighted average recall of each matrix, (...) in [0, 1], NaN for one without clips."""
    return mean_of_present(recalls_per_class(confusions))


def accuracies(confusions: Confusions) -> Figures:
    """Accuracy of each matrix, (...) in [0, 1], NaN for one without clips."""
    return _divide(np.trace(confusions, axis1=-2, axis2=-1), confusions.sum(axis=(-2, -1)))


def macro_f1s(confusions: Confusions) -> Figures:
    """Macro-F1 of each matrix, (...) in [0, 1], NaN for one without clips."""
    n_clips, n_predicted = confusions.sum(axis=-1), confusions.sum(axis=-2)
    hits = np.diagonal(confusions, axis1=-2, axis2=-1)
    return mean_of_present(_divide(2 * hits, np.where(n_clips > 0, n_clips + n_predicted, 0)))


def mean_of_present(values: Figures) -> Figures:
    """Mean over the last axis of the values that are not NaN; NaN without any."""
    return _divide(np.nansum(values, axis=-1), np.isfinite(values).sum(axis=-1))


def recall_per_class(confusion: Confusion) -> NDArray[np.float64]:
    """Recall of each class, r_c = n_cc / n_c, (C,) in [0, 1]; NaN for a class without clips.

    Raises:
        MetricError: not a square matrix of counts, or no clip in it.

    Example:
        >>> recall_per_class(np.array([[3, 1], [0, 2]])).tolist()
        [0.75, 1.0]
    """
    return recalls_per_class(_check_confusion(confusion))


def unweighted_average_recall(confusion: Confusion) -> float:
    """Unweighted average recall (UAR), in [0, 1]; chance level is 1 / C, whatever the shares of the classes.

    UAR = 1/C sum_c n_cc / n_c. The mean excludes classes absent from the truth.

    Raises:
        MetricError: not a square matrix of counts, or no clip in it.

    Example:
        >>> unweighted_average_recall(np.array([[3, 1], [0, 2]]))
        0.875

    Source:
        Schuller, Steidl and Batliner, The INTERSPEECH 2009 emotion challenge (2009), section 4.
    """
    return float(unweighted_average_recalls(_check_confusion(confusion)))


def unweighted_average_recall_standard_error(confusion: Confusion) -> float:
    """Standard error of the UAR of independent clips: sqrt(sum_c r_c (1 - r_c) / n_c) / C, in [0, 0.5].

    Classes absent from the truth are excluded. Clips of one speaker are not independent, so an interval by speaker is
    wider.

    Raises:
        MetricError: not a square matrix of counts, or no clip in it.

    Example:
        >>> unweighted_average_recall_standard_error(np.array([[50, 50], [0, 100]]))
        0.025

    Source:
        Variance of a mean of independent binomial shares.
    """
    recall = recall_per_class(confusion)
    present = np.isfinite(recall)
    recall, n_clips = recall[present], confusion.sum(axis=1)[present]
    return float(np.sqrt(np.sum(recall * (1 - recall) / n_clips)) / len(recall))


def accuracy(confusion: Confusion) -> float:
    """Accuracy, sum_c n_cc / n, in [0, 1].

    Raises:
        MetricError: not a square matrix of counts, or no clip in it.

    Example:
        >>> accuracy(np.array([[3, 1], [0, 4]]))
        0.875
    """
    return float(accuracies(_check_confusion(confusion)))


def macro_f1(confusion: Confusion) -> float:
    """Macro-F1: mean over classes of F1 = 2 n_cc / (n_c + m_c), with m_c clips predicted as class c, in [0, 1].

    The mean excludes classes absent from the truth.

    Raises:
        MetricError: not a square matrix of counts, or no clip in it.

    Example:
        >>> macro_f1(np.array([[1, 1], [0, 1]]))
        0.6666666666666666

    Source:
        Mean of the classes' F1, not F1 of the means: Opitz and Burst, Macro F1 and macro F1 (2019).
    """
    return float(macro_f1s(_check_confusion(confusion)))


def _divide(part: NDArray[np.generic], whole: NDArray[np.generic]) -> Figures:
    ratio: Figures = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)
    return ratio


def _check_confusion(confusion: Confusion) -> Confusion:
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1] or (confusion < 0).any():
        raise MetricError(f"a confusion matrix must be square and hold counts, got shape {confusion.shape}")
    if confusion.sum() == 0:
        raise MetricError("the confusion matrix holds no clip")
    return confusion


def _check_labels(name: str, labels: NDArray[np.generic], n_classes: int) -> None:
    if labels.size and not np.issubdtype(labels.dtype, np.integer):
        raise MetricError(f"{name} must hold whole numbers, got {labels.dtype}")
    if labels.size and not (labels.min() >= 0 and labels.max() < n_classes):
        raise MetricError(f"{name} must lie in [0, {n_classes}), got {labels.min()} to {labels.max()}")
