"""Clips as a network sees them: many clips end to end in one matrix, cut to one length and standardised.

B batch, n clips, T frames, R stored rows, D chosen rows, M mel bands. The matrix is never copied as a whole:
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
    """Clips of one space end to end: frames, (sum of T, R) float32; clip i begins at offsets[i], (n + 1,)."""

    frames: Rows
    offsets: Positions

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def clip(self, position: int | np.int64) -> Rows:
        """One clip, (T, R); a view."""
        return self.frames[self.offsets[position] : self.offsets[position + 1]]


def join_clips(clips: Sequence[Rows]) -> FeatureMatrix:
    """The matrix of at least one clip, each (T, R) float32."""
    offsets = np.zeros(len(clips) + 1, np.int64)
    np.cumsum([len(clip) for clip in clips], out=offsets[1:])
    return FeatureMatrix(np.concatenate(clips), offsets)


@dataclass(frozen=True)
class Normalisation:
    """What makes features comparable: each row less its mean, divided by its scale, both (D,) float32.

    `clips` says on which positions of a matrix it was fitted; None once that matrix is out of sight.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    clips: Positions | None = None


def fit_normalisation(matrix: FeatureMatrix, clips: Positions, rows: Positions) -> Normalisation:
    """Mean and standard deviation of the chosen rows over all frames of `clips`, the training clips.

    A row that does not vary keeps its scale. Summed clip by clip in double precision, as differences from the
    first clip's mean, so that nothing cancels.

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
    """Some clips of a matrix with their classes: training, validation or test."""

    matrix: FeatureMatrix
    clips: Positions
    labels: NDArray[np.int64]
    space: FeatureSpace
    normalisation: Normalisation

    def __len__(self) -> int:
        return len(self.clips)

    def batch(self, positions: Positions, rng: np.random.Generator | None) -> NDArray[np.float32]:
        """The clips at `positions` of this set, all of the space's length.

        Longer clips are cropped, shorter ones padded with zeros, which is the mean of standardised features,
        at a random place drawn from `rng`, or centred without one.

        Returns:
            (B, D, T) of the 1-D space, (B, 1, M, T) of the 2-D space; float32, C-contiguous.
        """
        clips = self.clips[positions]
        starts = self.matrix.offsets[clips]
        lengths = self.matrix.offsets[clips + 1] - starts
        slack = lengths - self.space.n_frames
        first = starts + _place(slack, rng)
        return _cut(self.matrix.frames, first, starts, lengths, self.space, self.normalisation)


def frame_clip(stored: Rows, *, space: FeatureSpace, normalisation: Normalisation) -> NDArray[np.float32]:
    """One clip, (T, R), as `ClipSet.batch` without `rng` gives it: (D, T) or (1, M, T)."""
    first = np.zeros(1, np.int64)
    clip: NDArray[np.float32] = ClipSet(join_clips([stored]), first, first, space, normalisation).batch(first, None)[0]
    return clip


def _place(slack: Positions, rng: np.random.Generator | None) -> Positions:
    """First frame of the window, counted from the clip's: negative for a clip shorter than the window."""
    spare = np.abs(slack)
    inset = spare // 2 if rng is None else rng.integers(0, spare, endpoint=True)
    return np.sign(slack) * inset


def _cut(
    frames: Rows,
    first: Positions,
    starts: Positions,
    lengths: Positions,
    space: FeatureSpace,
    normalisation: Normalisation,
) -> NDArray[np.float32]:
    """Windows of the space's length from `first` on, with zeros where they leave their clip."""
    wanted = first[:, None] + np.arange(space.n_frames)
    low, high = starts[:, None], (starts + lengths)[:, None]
    windows = _gather(frames, np.clip(wanted, low, high - 1), space.selected_rows)
    windows -= normalisation.mean
    windows /= normalisation.scale
    windows[(wanted < low) | (wanted >= high)] = 0
    batch: NDArray[np.float32] = np.ascontiguousarray(windows.transpose(0, 2, 1))
    return batch if space.dimensions == 1 else batch[:, None]


def _gather(frames: Rows, where: Positions, rows: Positions) -> NDArray[np.float32]:
    """frames[where][..., rows], a copy; neighbouring rows are read through a view."""
    if rows[-1] - rows[0] + 1 == len(rows):
        return frames[:, rows[0] : rows[-1] + 1][where]
    chosen: Rows = frames[where][..., rows]
    return chosen
