"""Groupings of test clips by properties other than emotion, from the corpus and its table of speakers."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ser.corpora.base import CORPORA, CorpusError
from ser.corpora.locations import Location
from ser.evaluation.predictions import Predictions

SPEAKERS_FILE = "speakers.csv"
"""Table of the speakers in the folder of a sweep."""

_INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unstated"}


@dataclass(frozen=True)
class Slicing:
    """Grouping of test clips by one property.

    Attributes:
        name: of the property.
        of_clip: group by name of the clip; empty if speakers are grouped.
        of_speaker: group by speaker; empty if clips are grouped.
    """

    name: str
    of_clip: dict[str, str]
    of_speaker: dict[str, str]

    def assign_groups(self, predictions: Predictions) -> NDArray[np.str_]:
        """Assign each of n predictions to its group, (n,), or to ''."""
        keys, groups = (predictions.clips, self.of_clip) if self.of_clip else (predictions.speakers, self.of_speaker)
        return np.array([groups.get(str(key), "") for key in keys])


def slice_by_clip(corpus: str, folder: Location) -> list[Slicing]:
    """Group clips by intensity and sentence, from the corpus; empty if the corpus is no longer there.

    Args:
        corpus: its name.
        folder: of its clips.
    """
    try:
        clips = CORPORA[corpus]().scan(folder).clips
    except CorpusError:
        return []
    intensity = {clip.name: _INTENSITIES.get(clip.intensity, clip.intensity) for clip in clips}
    return [Slicing("intensity", intensity, {}), Slicing("sentence", {clip.name: clip.sentence for clip in clips}, {})]


def slice_by_speaker(sweep_dir: Path) -> list[Slicing]:
    """Group clips by sex and age band of the speaker, from the table in the folder of the sweep; empty without it."""
    path = sweep_dir / SPEAKERS_FILE
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {"sex": "sex", "age": "age_band"}
    return [Slicing(name, {}, {row["speaker"]: row[column] for row in rows}) for name, column in columns.items()]
