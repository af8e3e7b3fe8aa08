"""Augmentation of training batches: stretched axes, masks over time and frequency, and mixing of clips.

B batch, D feature channels, M mel bands, T frames, C classes.
"""

from typing import Annotated, Literal

import torch
from scipy.special import betaincinv
from torch import Tensor

from ser.settings.declaration import settings
from ser.settings.ranges import Floats, Ints


@settings
class Augment:
    """Strength of each augmentation; zeros change nothing."""

    # Greatest stretch of time, as a share: 0.1 is 1 / 1.1 to 1.1 times the clip's own duration.
    time_stretch: Annotated[float, Floats(0.0, 0.3, searched=False)] = 0.0
    # Greatest stretch of the mel axis, as a share, in 2-D only: a longer or shorter vocal tract.
    frequency_stretch: Annotated[float, Floats(0.0, 0.3, searched=False)] = 0.0
    n_time_masks: Annotated[int, Ints(0, 4)] = 2
    # Widest time mask, as a share of the frames.
    time_mask: Annotated[float, Floats(0.0, 0.4)] = 0.1
    n_frequency_masks: Annotated[int, Ints(0, 4)] = 1
    # Widest frequency mask, as a share of the mel bands (2-D) or of the feature channels (1-D).
    frequency_mask: Annotated[float, Floats(0.0, 0.4)] = 0.15
    # Parameter of the beta distribution of shares: small values give mostly one clip with a trace of another, 1 makes
    # all shares equally likely, 0 mixes nothing.
    mixup_alpha: Annotated[float, Floats(0.0, 1.0)] = 0.0


def stretch(clips: Tensor, *, settings: Augment, generator: torch.Generator) -> Tensor:
    """Stretch or squeeze each clip along time and, in 2-D, along the mel axis, by linear interpolation.

    Time is stretched around the middle, the mel axis from its lowest band on. Positions beyond the edge are zero in
    time, as padding is, and repeat the highest band in frequency.

    Args:
        clips: (B, D, T) or (B, 1, M, T).
        settings: greatest stretches; the logarithm of each is uniform.
        generator: on the CPU; each clip has its own factors.

    Returns:
        A tensor like `clips`, which itself stays as it is.

    Source:
        Jaitly and Hinton, Vocal tract length perturbation improves speech recognition (2013), here linear on the mel
        axis; Ko et al., Audio augmentation for speech recognition (2015), section 2, for speed.
    """
    if settings.time_stretch > 0:
        factor = _draw_factors(len(clips), settings.time_stretch, generator)
        middle = (clips.shape[-1] - 1) / 2
        clips = _resample(clips, middle + (torch.arange(clips.shape[-1]) - middle) / factor, beyond="zero")
    if settings.frequency_stretch > 0 and clips.ndim == 4:
        factor = _draw_factors(len(clips), settings.frequency_stretch, generator)
        positions = torch.arange(clips.shape[-2]) / factor
        clips = _resample(clips.transpose(-1, -2), positions, beyond="edge").transpose(-1, -2).contiguous()
    return clips


def _draw_factors(n_clips: int, greatest: float, generator: torch.Generator) -> Tensor:
    """Factors from 1 / (1 + greatest) to 1 + greatest, (n_clips, 1)."""
    exponent: Tensor = 2 * torch.rand(n_clips, 1, generator=generator) - 1
    return (1 + greatest) ** exponent


def _resample(clips: Tensor, positions: Tensor, *, beyond: Literal["zero", "edge"]) -> Tensor:
    """Read clips at fractional positions of their last axis, (B, size)."""
    size = clips.shape[-1]
    inside = (positions >= 0) & (positions <= size - 1)
    positions = positions.clamp(0, size - 1)
    low = positions.floor().long().clamp(max=max(0, size - 2))
    shape = [len(clips)] + [1] * (clips.ndim - 2) + [size]
    share = (positions - low).view(shape).to(clips)
    read = [
        clips.gather(-1, (low + step).clamp(max=size - 1).view(shape).to(clips.device).expand_as(clips))
        for step in (0, 1)
    ]
    mixed = read[0] + share * (read[1] - read[0])
    return mixed * inside.view(shape).to(clips) if beyond == "zero" else mixed


def spec_augment(clips: Tensor, *, settings: Augment, generator: torch.Generator) -> Tensor:
    """Set random bands of time and of frequency to zero, which is the mean of standardised features.

    Args:
        clips: (B, D, T) or (B, 1, M, T).
        settings: number and greatest width of the masks; widths are uniform from 0 to the greatest.
        generator: on the CPU; each clip has its own masks.

    Returns:
        A tensor like `clips`, which itself stays as it is.

    Source:
        Park et al., SpecAugment (2019), section 2; here the greatest widths are shares, so that they suit any size.
    """
    for axis, n_masks, share in (
        (-1, settings.n_time_masks, settings.time_mask),
        (-2, settings.n_frequency_masks, settings.frequency_mask),
    ):
        if n_masks > 0 and share > 0:
            kept = _draw_unmasked(clips.shape[0], n_masks, clips.shape[axis], share, generator)
            shape = [clips.shape[0]] + [1] * (clips.ndim - 1)
            shape[axis] = clips.shape[axis]
            clips = clips * kept.view(shape).to(clips)
    return clips


def _draw_unmasked(n_clips: int, n_masks: int, size: int, share: float, generator: torch.Generator) -> Tensor:
    """Positions that no random mask covers, (n_clips, size) bool."""
    width, start = torch.rand(2, n_clips, n_masks, 1, generator=generator)
    width = (width * (share * size + 1)).floor().clamp(max=int(share * size))
    start = (start * (size - width + 1)).floor()
    position = torch.arange(size)
    covered: Tensor = ((start <= position) & (position < start + width)).any(dim=1)
    return covered.logical_not()


def mixup(clips: Tensor, targets: Tensor, *, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mix each clip and its target with those of another clip of the batch.

    Args:
        clips: (B, D, T) or (B, 1, M, T).
        targets: probability of each class, (B, C).
        alpha: shares are drawn from Beta(alpha, alpha); 0 mixes nothing.
        generator: on the CPU.

    Returns:
        Mixed clips and targets, of the same shapes.

    Source:
        Zhang et al., mixup: Beyond empirical risk minimization (2018), section 2; here each clip has its own share.
    """
    if alpha == 0:
        return clips, targets
    n_clips = len(clips)
    other = torch.randperm(n_clips, generator=generator).to(clips.device)
    level = torch.rand(n_clips, generator=generator, dtype=torch.float64)
    # The inverse of the distribution function: torch's own Beta takes no generator.
    share = torch.from_numpy(betaincinv(alpha, alpha, level.numpy())).to(clips)
    return _mix(clips, other, share), _mix(targets, other, share)


def _mix(values: Tensor, other: Tensor, share: Tensor) -> Tensor:
    share = share.view(-1, *[1] * (values.ndim - 1))
    return share * values + (1 - share) * values[other]
