"""What test clips have in common besides their emotion, from the corpus and its table of speakers."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ser.corpora.base import CORPORA, CorpusError
from ser.corpora.locations import Location
from ser.evaluation.predictions import Predictions

SPEAKERS_FILE = "speakers.csv"

_INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unstated"}


@dataclass(frozen=True)
class Slicing:
    """A way to part the test clips.

    Attributes:
        name: of what they are parted by.
        of_clip: the group of a clip by its name; empty where speakers are parted.
        of_speaker: the group of a speaker.
    """

    name: str
    of_clip: dict[str, str]
    of_speaker: dict[str, str]

    def groups(self, predictions: Predictions) -> NDArray[np.str_]:
        """The group of each prediction, (n,), '' of those in none."""
        keys, groups = (predictions.clips, self.of_clip) if self.of_clip else (predictions.speakers, self.of_speaker)
        return np.array([groups.get(str(key), "") for key in keys])


def slicings_by_clip(corpus: str, folder: Location) -> list[Slicing]:
    """By intensity and sentence, as the names of the files say; none where the corpus is no longer there."""
    try:
        clips = CORPORA[corpus]().scan(folder).clips
    except CorpusError:
        return []
    intensity = {clip.name: _INTENSITIES.get(clip.intensity, clip.intensity) for clip in clips}
    return [Slicing("intensity", intensity, {}), Slicing("sentence", {clip.name: clip.sentence for clip in clips}, {})]


def slicings_by_speaker(sweep_dir: Path) -> list[Slicing]:
    """By sex and age band, from the table that the sweep left in its folder; none without it."""
    path = sweep_dir / SPEAKERS_FILE
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {"sex": "sex", "age": "age_band"}
    return [Slicing(name, {}, {row["speaker"]: row[column] for row in rows}) for name, column in columns.items()]
