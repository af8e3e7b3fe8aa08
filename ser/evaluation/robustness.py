"""Predictions on perturbed clips: their file in the folder of a sweep, and the choice of clips and talkers."""

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ser.corpora.base import Clip
from ser.errors import UserError
from ser.evaluation.metrics import confusion_matrix
from ser.evaluation.perturbations import CONDITIONS, N_TALKERS, Condition
from ser.files import replace_file

ROBUSTNESS_FILE = "robustness.csv"


@dataclass(frozen=True)
class PerturbedPrediction:
    """Prediction of a network, the one of cell `cell` and trial `trial`, for one clip under one condition."""

    cell: str
    trial: int
    condition: Condition
    clip: str
    speaker: str
    truth: str
    prediction: str


_COLUMNS = ("cell", "trial", "condition", "snr_db", "clip", "speaker", "truth", "prediction")


def read_robustness(path: Path) -> list[PerturbedPrediction]:
    """Read the predictions in the file of a sweep, in its order; none without a file.

    A last line that a killed writer left incomplete is ignored.

    Raises:
        UserError: the file has other columns, or a damaged line.
    """
    if not path.exists():
        return []
    complete_lines, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    lines = csv.reader(io.StringIO(complete_lines))
    if tuple(next(lines, ())) != _COLUMNS:
        raise UserError(f"{path} must have the columns {','.join(_COLUMNS)}", "delete it and measure again")
    try:
        return [_parse_row(*line) for line in lines]
    except (TypeError, KeyError, ValueError):
        raise UserError(f"line {lines.line_num} of {path} is damaged", "delete the file and measure again") from None


def write_robustness(path: Path, predictions: Iterable[PerturbedPrediction]) -> None:
    """Replace the file by one with these predictions, whole or not at all.

    Raises:
        OSError: the disk is full, or the folder cannot be written to.
    """
    with replace_file(path) as written, written.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(_COLUMNS)
        rows.writerows(map(_format_row, predictions))


def append_robustness(path: Path, predictions: Iterable[PerturbedPrediction]) -> None:
    """Append predictions to a file that `write_robustness` wrote, and wait until they are on the disk.

    Raises:
        OSError: the disk is full, or the file cannot be written.
    """
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(map(_format_row, predictions))
        file.flush()
        os.fsync(file.fileno())


def find_complete_clips(predictions: Sequence[PerturbedPrediction], trials: Sequence[tuple[str, int]]) -> set[str]:
    """Find the clips for which every trial, (cell, number), has a prediction under every condition."""
    needed = {(cell, trial, condition) for cell, trial in trials for condition in CONDITIONS}
    present: dict[str, set[tuple[str, int, Condition]]] = {}
    for prediction in predictions:
        present.setdefault(prediction.clip, set()).add((prediction.cell, prediction.trial, prediction.condition))
    return {clip for clip, known in present.items() if needed <= known}


def count_confusions(
    predictions: Sequence[PerturbedPrediction], emotions: Sequence[str]
) -> dict[str, dict[Condition, NDArray[np.int64]]]:
    """Confusion matrices, (C, C), by cell and condition; classes are in the order of `emotions`."""
    grouped: dict[str, dict[Condition, list[PerturbedPrediction]]] = {}
    for prediction in predictions:
        grouped.setdefault(prediction.cell, {}).setdefault(prediction.condition, []).append(prediction)
    place = {emotion: index for index, emotion in enumerate(emotions)}
    return {
        cell: {
            condition: confusion_matrix(
                [place[prediction.truth] for prediction in group],
                [place[prediction.prediction] for prediction in group],
                n_classes=len(emotions),
            )
            for condition, group in conditions.items()
        }
        for cell, conditions in grouped.items()
    }


def choose_clips(clips: Sequence[Clip], n_clips: int) -> list[Clip]:
    """Choose clips, equally many of each emotion while there are any, by the digests of their names.

    A larger choice begins with the smaller one.

    Args:
        clips: to choose from; their order has no effect.
        n_clips: at most so many.

    Raises:
        UserError: fewer than one.
    """
    if n_clips < 1:
        raise UserError(f"the number of clips must be at least 1, got {n_clips}")
    by_emotion: dict[str, list[Clip]] = {}
    for clip in sorted(clips, key=lambda clip: _digest(clip.name)):
        by_emotion.setdefault(clip.emotion, []).append(clip)
    in_turn = chain.from_iterable(zip_longest(*(by_emotion[emotion] for emotion in sorted(by_emotion))))
    return list(islice((clip for clip in in_turn if clip is not None), n_clips))


def choose_talkers(clip: Clip, training: Sequence[Clip], *, n_talkers: int = N_TALKERS) -> list[Clip]:
    """Choose the talkers of the babble for a clip: one training clip of each of several other speakers.

    The choice depends on the names of the clips alone.

    Args:
        clip: whose speaker is excluded.
        training: clips to choose from.
        n_talkers: fewer are chosen where there are fewer other speakers.

    Raises:
        UserError: the training clips have no other speaker.
    """
    by_speaker: dict[str, Clip] = {}
    for other in sorted(training, key=lambda other: _digest(f"{clip.name} {other.name}")):
        if other.speaker != clip.speaker:
            by_speaker.setdefault(other.speaker, other)
    if not by_speaker:
        raise UserError(f"babble needs another speaker, and all training clips are of {clip.speaker}", "use more clips")
    return list(islice(by_speaker.values(), n_talkers))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _format_row(prediction: PerturbedPrediction) -> list[object]:
    condition = _format_condition(prediction.condition)
    return [
        prediction.cell,
        prediction.trial,
        *condition,
        prediction.clip,
        prediction.speaker,
        prediction.truth,
        prediction.prediction,
    ]


def _format_condition(condition: Condition) -> tuple[str, str]:
    return condition.kind, "" if condition.snr_db is None else f"{condition.snr_db:g}"


_CONDITION_OF_COLUMNS = {_format_condition(condition): condition for condition in CONDITIONS}


def _parse_row(
    cell: str, trial: str, kind: str, snr: str, clip: str, speaker: str, truth: str, prediction: str
) -> PerturbedPrediction:
    return PerturbedPrediction(cell, int(trial), _CONDITION_OF_COLUMNS[kind, snr], clip, speaker, truth, prediction)
