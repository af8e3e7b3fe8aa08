"""Predictions for each clip, read from the `predictions.csv` of a trial. n clips, C classes."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ser.errors import UserError
from ser.evaluation.predictions_file import COLUMNS
from ser.evaluation.speaker_counts import SpeakerCounts, count_by_speaker


class PredictionsError(UserError):
    """A file of predictions that is missing, damaged or of another version."""


@dataclass(frozen=True)
class Predictions:
    """Predictions for n clips.

    Attributes:
        emotions: C names of classes.
        clips: names, (n,).
        speakers: speaker of each clip, (n,).
        truth: class of each clip, (n,).
        prediction: predicted class of each clip, (n,).
        probabilities: of each class, (n, C).
        repeats: seed of the training that predicted, (n,).
    """

    emotions: tuple[str, ...]
    clips: NDArray[np.str_]
    speakers: NDArray[np.str_]
    truth: NDArray[np.int64]
    prediction: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    repeats: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.clips)

    def counts(self) -> SpeakerCounts:
        """Count the predictions by repeat and speaker, for intervals and tests.

        Raises:
            UserError: no clip.
        """
        return count_by_speaker(
            list(self.speakers),
            self.truth,
            self.prediction,
            n_classes=len(self.emotions),
            repeats=list(self.repeats),
        )

    def select(self, mask: NDArray[np.bool_]) -> "Predictions":
        """The predictions for the clips that a mask, (n,), selects."""
        rows = {name: getattr(self, name)[mask] for name in _list_row_fields()}
        return Predictions(self.emotions, **rows)


def read_predictions(path: Path, *, part: str, repeat: int = 0) -> Predictions:
    """Read the predictions of one part, in the order of the file.

    Args:
        path: a `predictions.csv`: clip, part, speaker, truth, prediction, then the probability of each emotion.
        part: 'validation' or 'test'.
        repeat: seed of the training that predicted.

    Raises:
        PredictionsError: the file cannot be read, lacks columns, or has a class without a column.
    """
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(COLUMNS, str))
    except (OSError, ValueError) as error:
        raise PredictionsError(f"{path} cannot be read ({error})", "restore a copy of it, or train again") from None
    if tuple(table.columns[: len(COLUMNS)]) != COLUMNS:
        raise PredictionsError(
            f"{path} must begin with the columns {', '.join(COLUMNS)}, got {', '.join(table.columns[:5])}",
            "it was written by another version of ser, so train again",
        )
    table = table[table["part"] == part]
    emotions = tuple(str(name) for name in table.columns[len(COLUMNS) :])
    place = {name: index for index, name in enumerate(emotions)}
    unknown = ({*table["truth"]} | {*table["prediction"]}) - place.keys()
    if unknown:
        raise PredictionsError(f"{path} has no column for the classes {', '.join(sorted(unknown))}", "train again")
    return Predictions(
        emotions=emotions,
        clips=table["clip"].to_numpy(dtype=str),
        speakers=table["speaker"].to_numpy(dtype=str),
        truth=table["truth"].map(place).to_numpy(dtype=np.int64),
        prediction=table["prediction"].map(place).to_numpy(dtype=np.int64),
        probabilities=table[list(emotions)].to_numpy(dtype=np.float64),
        repeats=np.full(len(table), repeat, dtype=np.int64),
    )


def concatenate_predictions(parts: Sequence[Predictions]) -> Predictions:
    """Join the predictions of several files with the same classes, such as those of folds and seeds."""
    rows = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _list_row_fields()}
    return Predictions(parts[0].emotions, **rows)


def _list_row_fields() -> list[str]:
    return [field.name for field in fields(Predictions) if field.name != "emotions"]
