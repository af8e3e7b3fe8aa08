import pytest
import torch

from ser.settings.ranges import SettingError
from ser.training.augmentation import Augment, mixup, spec_augment, stretch

NOTHING = Augment(n_time_masks=0, n_frequency_masks=0, mixup_alpha=0.0)
SHAPES = [(64, 30, 100), (64, 1, 30, 100)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def masked(shape: tuple[int, ...], settings: Augment) -> torch.Tensor:
    """(B, rows, T): where ones were set to zero."""
    return spec_augment(torch.ones(shape), settings=settings, generator=seeded()).reshape(64, 30, 100) == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_one_time_mask_is_one_band_over_all_rows(shape):
    frames = masked(shape, Augment(n_time_masks=1, time_mask=0.2, n_frequency_masks=0))
    assert torch.equal(frames, frames[:, :1].expand(frames.shape))
    widths = frames[:, 0].sum(1)
    assert widths.min() == 0
    assert 15 <= widths.max() <= 20
    assert (frames[:, 0].int().diff(dim=1) == 1).sum(1).max() <= 1


@pytest.mark.parametrize("shape", SHAPES)
def test_frequency_masks_cover_whole_rows(shape):
    rows = masked(shape, Augment(n_time_masks=0, n_frequency_masks=2, frequency_mask=0.1))
    assert torch.equal(rows, rows[:, :, :1].expand(rows.shape))
    assert 4 <= rows[:, :, 0].sum(1).max() <= 2 * 3


def test_widths_are_uniform_and_every_position_is_reached():
    settings = Augment(n_time_masks=1, time_mask=0.1, n_frequency_masks=0)
    clips = spec_augment(torch.ones(20_000, 1, 40), settings=settings, generator=seeded())
    widths = (clips == 0).sum(dim=(1, 2))
    shares = torch.bincount(widths) / len(widths)
    torch.testing.assert_close(shares, torch.full((5,), 0.2), rtol=0.0, atol=0.02)
    assert (clips == 0).any(dim=0).all()


def test_clips_get_masks_of_their_own_and_the_input_stays():
    clips = torch.ones(64, 30, 100)
    changed = spec_augment(clips, settings=Augment(), generator=seeded())
    assert len(torch.unique(changed.flatten(1), dim=0)) > 32
    assert clips.all()


def test_zero_masks_and_zero_alpha_change_nothing():
    clips, targets = torch.randn(4, 3, 9), torch.eye(4)
    assert torch.equal(spec_augment(clips, settings=NOTHING, generator=seeded()), clips)
    same_clips, same_targets = mixup(clips, targets, alpha=NOTHING.mixup_alpha, generator=seeded())
    assert torch.equal(same_clips, clips)
    assert torch.equal(same_targets, targets)


@pytest.mark.parametrize("shape", [(50, 6), (50, 1, 2, 3)])
def test_mixup_mixes_targets_as_it_mixes_clips(shape):
    # Each clip is its own target, so what comes out must still agree.
    targets = torch.eye(6)[torch.arange(50) % 6]
    clips, mixed = mixup(targets.reshape(shape), targets, alpha=0.4, generator=seeded())
    torch.testing.assert_close(clips.reshape(50, 6), mixed)
    torch.testing.assert_close(mixed.sum(1), torch.ones(50))
    assert clips.dtype == torch.float32
    assert ((mixed > 0.1).sum(1) == 2).any()


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixup_shares_follow_the_beta_distribution(alpha):
    n_clips = 2_000
    _, shares = mixup(torch.zeros(n_clips, 1), torch.eye(n_clips), alpha=alpha, generator=seeded())
    own = shares.diagonal()
    assert own.mean().item() == pytest.approx(0.5, abs=0.03)
    assert own.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.08)


def test_same_seed_same_changes():
    clips, targets = torch.randn(8, 5, 40), torch.eye(8)

    def changed(seed: int) -> torch.Tensor:
        generator = seeded(seed)
        once = spec_augment(clips, settings=Augment(), generator=generator)
        return mixup(once, targets, alpha=0.3, generator=generator)[0]

    assert torch.equal(changed(1), changed(1))
    assert not torch.equal(changed(1), changed(2))


def test_a_mask_over_half_the_clip_is_refused():
    with pytest.raises(SettingError, match=r"time_mask must lie in \[0, 0.4\]"):
        Augment(time_mask=0.5)


def ramp(shape: tuple[int, ...], axis: int) -> torch.Tensor:
    """Clips whose value is the position along an axis, counted from 1."""
    size = [1] * len(shape)
    size[axis] = shape[axis]
    return (torch.arange(shape[axis], dtype=torch.float32) + 1).view(size).expand(shape).clone()


@pytest.mark.parametrize("shape", SHAPES)
def test_time_is_stretched_around_the_middle_and_padded_with_zeros(shape):
    clips = stretch(ramp(shape, -1), settings=Augment(time_stretch=0.2), generator=seeded()).reshape(64, 30, 100)
    assert torch.equal(clips, clips[:, :1].expand(clips.shape))
    frames = clips[:, 0]
    torch.testing.assert_close((frames[:, 49] + frames[:, 50]) / 2, torch.full((64,), 50.5))
    speed = frames[:, 51] - frames[:, 50]
    assert speed.min() < 0.9
    assert 1.1 < speed.max() <= 1.2
    edges = frames[:, [0, 99]]
    assert (edges[speed > 1.02] == 0).all()
    assert (edges[speed < 0.98] > 1).all()


def test_the_mel_axis_is_stretched_from_its_lowest_band():
    clips = stretch(ramp(SHAPES[1], -2), settings=Augment(frequency_stretch=0.1), generator=seeded())
    bands = clips[:, 0, :, 0]
    assert torch.equal(clips, bands[:, None, :, None].expand(clips.shape))
    torch.testing.assert_close(bands[:, 0], torch.ones(64))
    step = bands[:, 1] - bands[:, 0]
    assert 1 / 1.1 <= step.min() < 0.95
    assert 1.05 < step.max() <= 1.1
    assert bands.max() == 30


def test_one_dimension_has_no_mel_axis_to_stretch():
    clips = torch.randn(SHAPES[0])
    assert torch.equal(stretch(clips, settings=Augment(frequency_stretch=0.3), generator=seeded()), clips)


def test_no_stretch_draws_nothing_and_changes_nothing():
    clips, generator = torch.randn(SHAPES[1]), seeded()
    assert stretch(clips, settings=Augment(), generator=generator) is clips
    assert torch.equal(generator.get_state(), seeded().get_state())
