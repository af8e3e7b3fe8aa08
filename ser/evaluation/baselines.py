"""Baselines: the most frequent class, and a support vector machine on summaries of the MFCC.

n clips, C classes, D = 3 numbers for each coefficient.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ser.evaluation.metrics import confusion_matrix, unweighted_average_recall
from ser.evaluation.predictions_file import PartPredictions
from ser.evaluation.temperature import fit_temperature
from ser.features.base import Rows
from ser.splits.partition import Partition
from ser.splits.split import NO_SELECTION, Split

MAJORITY, MFCC_SVM, HUMAN_VOTE = "majority", "mfcc-svm", "human-vote"
BASELINES = (MAJORITY, MFCC_SVM, HUMAN_VOTE)
BASELINES_FOLDER = "baselines"

COSTS = (1.0, 3.0, 10.0, 30.0)
GAMMAS = (0.1, 0.3, 1.0)
"""In units of 1 / D, because the summaries are standardised. A grid of 7 x 5 chose the same pairs on five folds."""

_EVALUATED = ("validation", "test")

Summaries = NDArray[np.float64]


@dataclass(frozen=True)
class SvmResult:
    """Predictions of the support vector machine, and its settings, chosen on the validation clips.

    Attributes:
        predictions: by part, 'validation' and 'test'.
        cost: one of `COSTS`.
        gamma: of the kernel: one of `GAMMAS`, divided by D.
        temperature: divides the scores before the softmax.
        validation_uar: in [0, 1].
    """

    predictions: dict[str, PartPredictions]
    cost: float
    gamma: float
    temperature: float
    validation_uar: float


def baseline_path(sweep_dir: Path, name: str, split: Split) -> Path:
    """File with the predictions of a baseline on a split.

    The name contains `unseen` where the split omits the test clips that a selection has used.

    Args:
        sweep_dir: folder of the sweep.
        name: one of `BASELINES`.
        split: with its fold and seed.
    """
    drawn = f"-seed{split.seed}" if split.seed else ""
    unseen = "" if split.selection == NO_SELECTION else "-unseen"
    return sweep_dir / BASELINES_FOLDER / name / f"{split.name}-{split.fold}{drawn}{unseen}.csv"


def summarise(clip: Rows) -> Summaries:
    """Summarise the rows of a clip by mean and standard deviation over time, and by the deviation of their slope.

    Args:
        clip: rows of one clip, (T, rows), T > 0.

    Returns:
        (3 x rows,): all means, then all deviations, then all deviations of slopes.

    Source:
        The usual summary of the MFCC for an SVM. The slope is the regression over five frames of Furui, IEEE TASSP
        34(1), 1986, with the ends of the clip repeated. Chosen on the validation clips of five folds over 56 speakers:
        53.6 % UAR with the deviations of slopes, 51.1 without, 52.3 with their means as well. These means carry little
        beyond the place where a clip was cut.
    """
    rows = clip.astype(np.float64)
    padded = np.pad(rows, ((2, 2), (0, 0)), "edge")
    slope = (2 * (padded[4:] - padded[:-4]) + padded[3:-1] - padded[1:-3]) / 10
    return np.concatenate([rows.mean(axis=0), rows.std(axis=0), slope.std(axis=0)])


def train_mfcc_svm(
    summaries: Summaries, labels: NDArray[np.int64], partition: Partition, *, n_classes: int
) -> SvmResult:
    """Train a support vector machine on the training clips, with settings chosen on the validation clips.

    Summaries are standardised by mean and deviation of the training clips. Of `COSTS` x `GAMMAS` the pair with the
    highest UAR on the validation clips is used, of equals the first. Its scores become probabilities by one
    temperature, also fitted to the validation clips. Test clips are used once, at the end. Nothing is random.

    Args:
        summaries: of all clips, (n, D).
        labels: class of each clip, (n,), in [0, C).
        partition: which of the clips train, validate and test.
        n_classes: C.

    Returns:
        Predictions of the validation and test clips, and the chosen settings.

    Raises:
        ValueError: a class without a training clip.

    Source:
        Cortes and Vapnik, Support-vector networks (1995), by scikit-learn's SVC with radial basis functions; Guo et
        al., On calibration of modern neural networks (2017), section 4.2, for the temperature.
    """
    train, validation = np.asarray(partition.train), np.asarray(partition.validation)
    missing = set(range(n_classes)) - set(labels[train].tolist())
    if missing:
        raise ValueError(f"class {min(missing)} has no training clip in {partition.name}: use another split")
    scaled = StandardScaler().fit(summaries[train]).transform(summaries)
    best: tuple[float, SVC] | None = None
    for cost, gamma in product(COSTS, GAMMAS):
        machine = SVC(C=cost, gamma=gamma / scaled.shape[1], decision_function_shape="ovr", break_ties=True)
        machine.fit(scaled[train], labels[train])
        uar = _uar(labels[validation], machine.predict(scaled[validation]), n_classes)
        if best is None or uar > best[0]:
            best = uar, machine
    assert best is not None
    uar, machine = best
    temperature = fit_temperature(machine.decision_function(scaled[validation]), labels[validation])
    predicted = {}
    for part in _EVALUATED:
        positions = np.asarray(partition.parts[part])
        scores = machine.decision_function(scaled[positions])
        predicted[part] = PartPredictions(positions, scores.argmax(axis=1), softmax(scores / temperature, axis=1))
    return SvmResult(predicted, machine.C, machine.gamma, temperature, uar)


def predict_majority(labels: NDArray[np.int64], partition: Partition, *, n_classes: int) -> dict[str, PartPredictions]:
    """Predict the most frequent class of the training clips for every clip: chance level, a UAR of 1 / C.

    Args:
        labels: class of each clip, (n,), in [0, C).
        partition: which of the clips train, validate and test.
        n_classes: C.

    Returns:
        Predictions of the validation and test clips; probabilities are the shares among the training clips.
    """
    shares = np.bincount(labels[np.asarray(partition.train)], minlength=n_classes) / len(partition.train)
    return {
        part: PartPredictions(
            np.asarray(partition.parts[part]),
            np.full(len(partition.parts[part]), shares.argmax()),
            np.tile(shares, (len(partition.parts[part]), 1)),
        )
        for part in _EVALUATED
    }


def _uar(truth: NDArray[np.int64], prediction: NDArray[np.int64], n_classes: int) -> float:
    return unweighted_average_recall(confusion_matrix(truth, prediction, n_classes=n_classes))
