"""A served model's answer to one clip: its columns in their order. Imports neither MLflow nor torch."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

AUDIO = "audio"
"""The one column of a request: base64 of a sound file."""

_EMOTION, _DURATION, _WARNING = "emotion", "duration_s", "warning"


def list_columns(emotions: Sequence[str]) -> dict[str, type]:
    """Columns of an answer in their order, with the Python type of each: `str` or `float`."""
    return {_EMOTION: str, **dict.fromkeys(emotions, float), _DURATION: float, _WARNING: str}


@dataclass(frozen=True, slots=True)
class Answer:
    """Prediction of a model on one clip.

    Attributes:
        emotion: with the highest probability.
        probabilities: calibrated probability in [0, 1] of each emotion, in the order of the columns.
        duration_s: length of the clip.
        warning: differences of the clip from the training clips, or "".
    """

    emotion: str
    probabilities: dict[str, float]
    duration_s: float
    warning: str

    def to_row(self) -> dict[str, str | float]:
        """One value for each of `list_columns(probabilities)`, in their order."""
        values = {**asdict(self), **self.probabilities}
        return {column: values[column] for column in list_columns(list(self.probabilities))}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Answer":
        """Read a row of a server's reply; the columns that have no other meaning are emotions.

        Raises:
            KeyError: a column is missing.
            TypeError, ValueError: a value is not of its column's type.
        """
        emotions = [column for column in row if column not in list_columns([])]
        probabilities = {emotion: float(row[emotion]) for emotion in emotions}
        return cls(str(row[_EMOTION]), probabilities, float(row[_DURATION]), str(row[_WARNING] or ""))
