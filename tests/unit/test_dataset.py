"""Clips as the network sees them: laws of cropping, padding and standardising."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ser.features.dataset import ClipSet, FeatureMatrix, Normalisation, fit_normalisation, frame_clip, join_clips
from ser.features.spaces import FeatureSpace, FrameSpace, MelSpace

SPACES: tuple[FeatureSpace, ...] = (
    FrameSpace(duration_s=0.5),
    FrameSpace(duration_s=0.5, families="mfcc"),
    FrameSpace(duration_s=0.5, families="energy+mel"),
    MelSpace(duration_s=0.5),
)
N_FRAMES = SPACES[0].n_frames


def make_clips(lengths: list[int], n_rows: int, seed: int = 0) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    return [rng.normal(-40, 15, (length, n_rows)).astype(np.float32) for length in lengths]


def clip_set(
    lengths: list[int], space: FeatureSpace, normalisation: Normalisation | None = None
) -> tuple[ClipSet, list[NDArray[np.float32]]]:
    clips = make_clips(lengths, space.n_rows)
    matrix, everything = join_clips(clips), np.arange(len(clips))
    matrix.frames.flags.writeable = False
    normalisation = normalisation or fit_normalisation(matrix, everything, space.selected_rows)
    return ClipSet(matrix, everything, everything % 6, space, normalisation), clips


def naive(clip: NDArray[np.float32], space: FeatureSpace, fitted: Normalisation) -> NDArray[np.float32]:
    """Centre crop or pad of one clip, row by row and frame by frame."""
    seen = np.zeros((space.n_channels if space.dimensions == 1 else space.n_rows, space.n_frames), np.float32)
    spare = abs(len(clip) - space.n_frames) // 2
    for d, row in enumerate(space.selected_rows):
        for t in range(min(len(clip), space.n_frames)):
            source, target = (t + spare, t) if len(clip) > space.n_frames else (t, t + spare)
            seen[d, target] = (clip[source, row] - fitted.mean[d]) / fitted.scale[d]
    return seen if space.dimensions == 1 else seen[None]


LENGTHS = [1, 2, N_FRAMES - 3, N_FRAMES - 1, N_FRAMES, N_FRAMES + 1, N_FRAMES + 6, 3 * N_FRAMES]


@pytest.mark.parametrize("space", SPACES)
def test_batch_is_the_naive_loop_and_serving_is_the_same_to_the_bit(space: FeatureSpace) -> None:
    chosen, clips = clip_set(LENGTHS, space)
    positions = np.array([3, 0, 7, 7, 1, 2, 4, 5, 6])
    batch = chosen.batch(positions, None)
    assert batch.dtype == np.float32
    assert batch.flags.c_contiguous
    for got, position in zip(batch, positions, strict=True):
        np.testing.assert_array_equal(got, naive(clips[position], space, chosen.normalisation))
        served = frame_clip(clips[position], space=space, normalisation=chosen.normalisation)
        np.testing.assert_array_equal(got, served)


def test_shapes_of_both_spaces() -> None:
    frame, _ = clip_set(LENGTHS, FrameSpace())
    mel, _ = clip_set(LENGTHS, MelSpace())
    positions = np.array([2, 0])
    assert frame.batch(positions, None).shape == (2, 105, 188)
    assert mel.batch(positions, None).shape == (2, 1, 64, 188)
    assert len(frame) == len(frame.labels) == len(LENGTHS)


def test_positions_are_those_of_the_set_not_of_the_matrix() -> None:
    whole, _ = clip_set(LENGTHS, MelSpace())
    part = ClipSet(whole.matrix, np.array([6, 2]), np.array([1, 4]), whole.space, whole.normalisation)
    assert len(part) == 2
    np.testing.assert_array_equal(part.batch(np.array([1, 0]), None), whole.batch(np.array([2, 6]), None))


@given(length=st.integers(1, 3 * N_FRAMES), seed=st.integers(0, 2**32 - 1))
def test_random_places_hold_the_clip_in_order_and_zeros_around_it(length: int, seed: int) -> None:
    space = MelSpace(duration_s=0.5, n_mels=16)
    ramp = np.repeat(np.arange(1, length + 1, dtype=np.float32)[:, None], 16, axis=1)
    unit = Normalisation(np.zeros(16, np.float32), np.ones(16, np.float32))
    one = ClipSet(join_clips([ramp, ramp]), np.array([1]), np.array([0]), space, unit)
    seen = one.batch(np.array([0]), np.random.default_rng(seed))[0, 0, 0]
    inside = seen[seen > 0]
    assert len(inside) == min(length, N_FRAMES)
    np.testing.assert_array_equal(np.diff(inside), 1)
    np.testing.assert_array_equal(np.diff(np.flatnonzero(seen)), 1)


@pytest.mark.parametrize("length", [N_FRAMES - 4, N_FRAMES + 4])
def test_random_places_are_all_taken_and_repeat_with_the_seed(length: int) -> None:
    space = MelSpace(duration_s=0.5, n_mels=16)
    chosen, _ = clip_set([length], space, Normalisation(np.zeros(16, np.float32), np.ones(16, np.float32)))
    positions = np.zeros(200, np.int64)
    batch = chosen.batch(positions, np.random.default_rng(5))
    assert len({row.tobytes() for row in batch}) == 5
    np.testing.assert_array_equal(batch, chosen.batch(positions, np.random.default_rng(5)))


@pytest.mark.parametrize("space", SPACES)
def test_standardised_training_rows_have_mean_0_and_deviation_1(space: FeatureSpace) -> None:
    matrix = join_clips(make_clips([50, 80, 31], space.n_rows))
    fitted = fit_normalisation(matrix, np.arange(3), space.selected_rows)
    assert fitted.mean.shape == fitted.scale.shape == space.selected_rows.shape
    assert fitted.mean.dtype == fitted.scale.dtype == np.float32
    seen = (matrix.frames[:, space.selected_rows].astype(np.float64) - fitted.mean) / fitted.scale
    np.testing.assert_allclose(seen.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(seen.std(axis=0), 1, atol=1e-5)


def test_only_the_training_clips_are_fitted() -> None:
    clips, train = make_clips([30, 40, 50, 60], 4), np.array([3, 1])
    before = fit_normalisation(join_clips(clips), train, np.arange(4))
    clips[0][:], clips[2][:] = 1e6, np.nan
    after = fit_normalisation(join_clips(clips), train, np.arange(4))
    np.testing.assert_array_equal(before.mean, after.mean)
    np.testing.assert_array_equal(before.scale, after.scale)


def test_rows_that_do_not_vary_keep_their_scale_and_become_zero() -> None:
    clip = make_clips([100], 64)[0]
    clip[:, 0], clip[:, 1] = -100.0, 0.1
    matrix = join_clips([clip, clip])
    fitted = fit_normalisation(matrix, np.arange(2), np.arange(64))
    np.testing.assert_array_equal(fitted.scale[:2], 1)
    one = ClipSet(matrix, np.arange(2), np.arange(2), MelSpace(), fitted)
    np.testing.assert_array_equal(one.batch(np.array([0]), None)[0, 0, :2], 0)


def test_small_variation_on_a_large_offset_is_not_lost() -> None:
    rows = (5000 + np.random.default_rng(0).normal(0, 0.05, (4000, 1))).astype(np.float32)
    fitted = fit_normalisation(join_clips([rows[:100], rows[100:]]), np.arange(2), np.arange(1))
    np.testing.assert_allclose(fitted.scale, rows.astype(np.float64).std(), rtol=1e-5)


def test_no_training_clips_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one training clip"):
        fit_normalisation(join_clips(make_clips([5], 2)), np.array([], np.int64), np.arange(2))


def test_a_batch_never_copies_the_matrix() -> None:
    frames = np.zeros((400_000, 105), np.float32)
    frames.flags.writeable = False
    matrix = FeatureMatrix(frames, np.arange(0, 400_001, 200))
    for space in (FrameSpace(), FrameSpace(families="mfcc"), FrameSpace(families="energy+mel")):
        rows = space.selected_rows
        unit = Normalisation(np.zeros(len(rows), np.float32), np.ones(len(rows), np.float32))
        chosen = ClipSet(matrix, np.arange(2000), np.zeros(2000, np.int64), space, unit)
        tracemalloc.start()
        chosen.batch(np.arange(4), np.random.default_rng(0))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4e6 < frames.nbytes / 40
