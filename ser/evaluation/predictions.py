"""Predictions clip by clip, as a trial leaves them in its `predictions.csv`. n clips, C classes."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ser.errors import UserError
from ser.evaluation.predictions_file import COLUMNS
from ser.evaluation.speaker_counts import SpeakerCounts, speaker_counts


class PredictionsError(UserError):
    """A file that holds no predictions; the message names it and says what to do."""


@dataclass(frozen=True)
class Predictions:
    """What was predicted of clips.

    Attributes:
        emotions: C names of classes.
        clips: names, (n,).
        speakers: who speaks, (n,).
        truth: class of each clip, (n,).
        prediction: the class it was taken for, (n,).
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
        """What intervals and tests are computed from.

        Raises:
            UserError: no clip.
        """
        return speaker_counts(
            list(self.speakers),
            self.truth,
            self.prediction,
            n_classes=len(self.emotions),
            repeats=list(self.repeats),
        )

    def where(self, chosen: NDArray[np.bool_]) -> "Predictions":
        """Those of the chosen clips, (n,)."""
        rows = {name: getattr(self, name)[chosen] for name in _row_names()}
        return Predictions(self.emotions, **rows)


def read_predictions(path: Path, *, part: str, repeat: int = 0) -> Predictions:
    """The predictions of one part, in the order of the file.

    Args:
        path: a `predictions.csv`: clip, part, speaker, truth, prediction, then the probability of each emotion.
        part: 'validation' or 'test'.
        repeat: seed of the training that made them.

    Raises:
        PredictionsError: no such file, no such columns, or a class that is no column.
    """
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(COLUMNS, str))
    except (OSError, ValueError) as error:
        raise PredictionsError(f"{path} cannot be read ({error}): restore a copy of it, or train again") from None
    if tuple(table.columns[: len(COLUMNS)]) != COLUMNS:
        raise PredictionsError(
            f"{path} must begin with the columns {', '.join(COLUMNS)}, got {', '.join(table.columns[:5])}: "
            "it was written by another version of ser; train again"
        )
    table = table[table["part"] == part]
    emotions = tuple(str(name) for name in table.columns[len(COLUMNS) :])
    place = {name: index for index, name in enumerate(emotions)}
    strangers = ({*table["truth"]} | {*table["prediction"]}) - place.keys()
    if strangers:
        raise PredictionsError(f"{path} has no column of the classes {', '.join(sorted(strangers))}: train again")
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
    """The predictions of several files with the same classes, such as those of folds and seeds."""
    rows = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _row_names()}
    return Predictions(parts[0].emotions, **rows)


def _row_names() -> list[str]:
    return [field.name for field in fields(Predictions) if field.name != "emotions"]
