"""What networks hear in noise: the file of a sweep that says it, which clips are tried, and who talks beside them."""

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
    """What the network of a cell, trained in trial `trial`, made of one clip under one condition."""

    cell: str
    trial: int
    condition: Condition
    clip: str
    speaker: str
    truth: str
    prediction: str


_COLUMNS = ("cell", "trial", "condition", "snr_db", "clip", "speaker", "truth", "prediction")


def read_robustness(path: Path) -> list[PerturbedPrediction]:
    """The answers in the file of a sweep, in its order; none where there is no file.

    A last line that a killed writer left unfinished is left out.

    Raises:
        UserError: the file has other columns, or a line that cannot be right.
    """
    if not path.exists():
        return []
    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    lines = csv.reader(io.StringIO(whole))
    if tuple(next(lines, ())) != _COLUMNS:
        raise UserError(f"{path} must have the columns {','.join(_COLUMNS)}: delete it and measure again")
    try:
        return [_answer(*line) for line in lines]
    except (TypeError, KeyError, ValueError):
        raise UserError(f"line {lines.line_num} of {path} is damaged: delete the file and measure again") from None


def write_robustness(path: Path, answers: Iterable[PerturbedPrediction]) -> None:
    """Write the file anew, whole or not at all."""
    with replace_file(path) as written, written.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(_COLUMNS)
        rows.writerows(map(_line, answers))


def append_robustness(path: Path, answers: Iterable[PerturbedPrediction]) -> None:
    """Add answers to a file that `write_robustness` made, and wait until they are on the disk."""
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(map(_line, answers))
        file.flush()
        os.fsync(file.fileno())


def complete_clips(answers: Sequence[PerturbedPrediction], trials: Sequence[tuple[str, int]]) -> set[str]:
    """The clips of which every trial, (cell, number), has answered under every condition."""
    needed = {(cell, trial, condition) for cell, trial in trials for condition in CONDITIONS}
    given: dict[str, set[tuple[str, int, Condition]]] = {}
    for answer in answers:
        given.setdefault(answer.clip, set()).add((answer.cell, answer.trial, answer.condition))
    return {clip for clip, answered in given.items() if needed <= answered}


def confusions_by_condition(
    answers: Sequence[PerturbedPrediction], emotions: Sequence[str]
) -> dict[str, dict[Condition, NDArray[np.int64]]]:
    """Confusion matrices, (C, C), by cell and condition."""
    grouped: dict[str, dict[Condition, list[PerturbedPrediction]]] = {}
    for answer in answers:
        grouped.setdefault(answer.cell, {}).setdefault(answer.condition, []).append(answer)
    place = {emotion: index for index, emotion in enumerate(emotions)}
    return {
        cell: {
            condition: confusion_matrix(
                [place[answer.truth] for answer in given],
                [place[answer.prediction] for answer in given],
                n_classes=len(emotions),
            )
            for condition, given in conditions.items()
        }
        for cell, conditions in grouped.items()
    }


def choose_clips(clips: Sequence[Clip], n_clips: int) -> list[Clip]:
    """As many clips of each emotion as of the others while there are any, drawn by their names.

    The first of more are the same: a larger choice holds the smaller one.

    Raises:
        UserError: fewer than one.
    """
    if n_clips < 1:
        raise UserError(f"the number of clips must be at least 1, got {n_clips}")
    of_emotion: dict[str, list[Clip]] = {}
    for clip in sorted(clips, key=lambda clip: _lot(clip.name)):
        of_emotion.setdefault(clip.emotion, []).append(clip)
    in_turn = chain.from_iterable(zip_longest(*(of_emotion[emotion] for emotion in sorted(of_emotion))))
    return list(islice((clip for clip in in_turn if clip is not None), n_clips))


def choose_talkers(clip: Clip, training: Sequence[Clip], *, n_talkers: int = N_TALKERS) -> list[Clip]:
    """Who babbles while `clip` is heard: one training clip each of as many speakers, never of the clip's own.

    Fewer where there are not as many other speakers; drawn by the names of both clips.

    Raises:
        UserError: the training clips have no other speaker.
    """
    of_speaker: dict[str, Clip] = {}
    for other in sorted(training, key=lambda other: _lot(f"{clip.name} {other.name}")):
        if other.speaker != clip.speaker:
            of_speaker.setdefault(other.speaker, other)
    if not of_speaker:
        raise UserError(f"all training clips are of speaker {clip.speaker}: babble needs others; use more clips")
    return list(islice(of_speaker.values(), n_talkers))


def _lot(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _line(answer: PerturbedPrediction) -> list[object]:
    heard = _columns(answer.condition)
    return [answer.cell, answer.trial, *heard, answer.clip, answer.speaker, answer.truth, answer.prediction]


def _columns(condition: Condition) -> tuple[str, str]:
    return condition.kind, "" if condition.snr_db is None else f"{condition.snr_db:g}"


_BY_COLUMNS = {_columns(condition): condition for condition in CONDITIONS}


def _answer(
    cell: str, trial: str, kind: str, snr: str, clip: str, speaker: str, truth: str, prediction: str
) -> PerturbedPrediction:
    return PerturbedPrediction(cell, int(trial), _BY_COLUMNS[kind, snr], clip, speaker, truth, prediction)
