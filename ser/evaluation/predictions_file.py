"""What a classifier made of clips, one line a clip: enough to compute every figure again without it. C classes."""

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
    """Positions of n clips, (n,), the class each was taken for, (n,), and the probability of each class, (n, C)."""

    positions: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.floating]


def write_predictions(
    path: Path, parts: Mapping[str, PartPredictions], *, clips: Sequence[Clip], emotions: Sequence[str]
) -> None:
    """Write `clip,part,speaker,truth,prediction` and a column for each emotion's probability; whole or not at all.

    Args:
        path: of the CSV file; its folder is made if need be.
        parts: what was predicted, by part (validation, test).
        clips: that the positions count from.
        emotions: C names, in the order of the classes.
    """
    with replace_file(path) as written, written.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*COLUMNS, *emotions])
        for part, predicted in parts.items():
            for at, label, shares in zip(predicted.positions, predicted.labels, predicted.probabilities, strict=True):
                clip = clips[at]
                # All digits: who reads them has what was computed, to the last bit.
                rows.writerow([clip.name, part, clip.speaker, clip.emotion, emotions[label], *shares.tolist()])
