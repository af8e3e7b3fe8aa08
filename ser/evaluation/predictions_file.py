"""The file of predictions, one line for each clip, from which every metric can be recomputed. C classes."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ser.corpora.base import Clip
from ser.files import replace_file

COLUMNS = ("clip", "part", "speaker", "truth", "prediction")


@dataclass(frozen=True)
class PartPredictions:
    """Predictions for n clips of a part: positions, (n,), predicted classes, (n,), and probabilities, (n, C)."""

    positions: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.floating]


def write_predictions(
    path: Path, parts: Mapping[str, PartPredictions], *, clips: Sequence[Clip], emotions: Sequence[str]
) -> None:
    """Write `clip,part,speaker,truth,prediction` and a column for each emotion's probability; whole or not at all.

    Args:
        path: of the CSV file; its folder is created if missing.
        parts: predictions by part (validation, test).
        clips: into which the positions point.
        emotions: C names, in the order of the classes.

    Raises:
        OSError: the disk is full, or the folder cannot be written to.
    """
    with replace_file(path) as written, written.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*COLUMNS, *emotions])
        for part, predictions in parts.items():
            columns = (predictions.positions, predictions.labels, predictions.probabilities)
            for position, label, probabilities in zip(*columns, strict=True):
                clip = clips[position]
                # All digits, so that a reader has the computed value to the last bit.
                rows.writerow([clip.name, part, clip.speaker, clip.emotion, emotions[label], *probabilities.tolist()])
