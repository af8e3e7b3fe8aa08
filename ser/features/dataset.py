"""Batches of clips for a network: clips are joined in one matrix, cut to one length and standardised.

B batch, n clips, T frames, R stored rows, D selected rows, M mel bands. The matrix is never copied as a whole:
in a trial it is a read-only view into memory that all trials of a machine share.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.features.base import Rows
from ser.features.spaces import FeatureSpace

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class FeatureMatrix:
    """Clips of one space, joined along time.

    Attributes:
        frames: (sum of T, R) float32.
        offsets: (n + 1,); clip i is frames[offsets[i]:offsets[i + 1]].
    """

    frames: Rows
    offsets: Positions

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def clip(self, position: int | np.int64) -> Rows:
        """View of one clip, (T, R)."""
        return self.frames[self.offsets[position] : self.offsets[position + 1]]


def join_clips(clips: Sequence[Rows]) -> FeatureMatrix:
    """Join clips, at least one, each (T, R) float32, in one matrix."""
    offsets = np.zeros(len(clips) + 1, np.int64)
    np.cumsum([len(clip) for clip in clips], out=offsets[1:])
    return FeatureMatrix(np.concatenate(clips), offsets)


@dataclass(frozen=True)
class Normalisation:
    """Standardisation of features: the mean of each row is subtracted, then the row is divided by its scale.

    Attributes:
        mean: (D,) float32.
        scale: (D,) float32.
        clips: positions in a matrix of the clips that it was fitted on; None if that matrix is not known.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    clips: Positions | None = None


def fit_normalisation(matrix: FeatureMatrix, clips: Positions, rows: Positions) -> Normalisation:
    """Fit mean and standard deviation of rows over all frames of the training clips.

    A row that does not vary gets the scale 1. Sums are in double precision, over differences from the first clip's
    mean, to avoid cancellation.

    Args:
        matrix: all clips.
        clips: positions of the training clips.
        rows: positions of the selected rows, (D,).

    Raises:
        ValueError: no clips.
    """
    if len(clips) == 0:
        raise ValueError("a normalisation needs at least one training clip: check the split")
    origin = matrix.clip(clips[0])[:, rows].mean(axis=0, dtype=np.float64)
    total, squares, n_frames = np.zeros(len(rows)), np.zeros(len(rows)), 0
    for clip in clips:
        difference = matrix.clip(clip)[:, rows] - origin
        total += difference.sum(axis=0)
        squares += np.einsum("tr,tr->r", difference, difference)
        n_frames += len(difference)
    mean = total / n_frames
    deviation = np.sqrt(np.maximum(squares / n_frames - mean**2, 0))
    mean += origin
    varies = deviation > np.abs(mean) * np.finfo(np.float32).eps
    return Normalisation(mean.astype(np.float32), np.where(varies, deviation, 1).astype(np.float32), clips)


@dataclass(frozen=True)
class ClipSet:
    """Clips of a matrix with their classes: training, validation or test."""

    matrix: FeatureMatrix
    clips: Positions
    labels: NDArray[np.int64]
    space: FeatureSpace
    normalisation: Normalisation

    def __len__(self) -> int:
        return len(self.clips)

    def batch(self, positions: Positions, rng: np.random.Generator | None) -> NDArray[np.float32]:
        """Clips at `positions` of this set, all of the space's length.

        Longer clips are cropped. Shorter ones are padded with zeros, the mean of standardised features.

        Args:
            positions: (B,).
            rng: chooses a random place for each crop or padding; None centres them.

        Returns:
            (B, D, T) in the 1-D space, (B, 1, M, T) in the 2-D space; float32, C-contiguous.
        """
        clips = self.clips[positions]
        starts = self.matrix.offsets[clips]
        lengths = self.matrix.offsets[clips + 1] - starts
        slack = lengths - self.space.n_frames
        first = starts + _choose_start(slack, rng)
        return _cut_windows(self.matrix.frames, first, starts, lengths, self.space, self.normalisation)


def frame_clip(stored: Rows, *, space: FeatureSpace, normalisation: Normalisation) -> NDArray[np.float32]:
    """Cut and standardise one clip, (T, R), as `ClipSet.batch` does without `rng`: (D, T) or (1, M, T)."""
    first = np.zeros(1, np.int64)
    clip: NDArray[np.float32] = ClipSet(join_clips([stored]), first, first, space, normalisation).batch(first, None)[0]
    return clip


def _choose_start(slack: Positions, rng: np.random.Generator | None) -> Positions:
    """Choose the window's first frame, relative to the clip's; negative for a clip shorter than the window."""
    spare = np.abs(slack)
    inset = spare // 2 if rng is None else rng.integers(0, spare, endpoint=True)
    return np.sign(slack) * inset


def _cut_windows(
    frames: Rows,
    first: Positions,
    starts: Positions,
    lengths: Positions,
    space: FeatureSpace,
    normalisation: Normalisation,
) -> NDArray[np.float32]:
    """Cut windows of the space's length from `first` on, with zeros beyond the ends of the clip."""
    wanted = first[:, None] + np.arange(space.n_frames)
    low, high = starts[:, None], (starts + lengths)[:, None]
    windows = _gather_rows(frames, np.clip(wanted, low, high - 1), space.selected_rows)
    windows -= normalisation.mean
    windows /= normalisation.scale
    windows[(wanted < low) | (wanted >= high)] = 0
    batch: NDArray[np.float32] = np.ascontiguousarray(windows.transpose(0, 2, 1))
    return batch if space.dimensions == 1 else batch[:, None]


def _gather_rows(frames: Rows, where: Positions, rows: Positions) -> NDArray[np.float32]:
    """Copy frames[where][..., rows]; neighbouring rows are read through a view, which is faster."""
    if rows[-1] - rows[0] + 1 == len(rows):
        return frames[:, rows[0] : rows[-1] + 1][where]
    selected: Rows = frames[where][..., rows]
    return selected
