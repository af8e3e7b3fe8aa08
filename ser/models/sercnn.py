"""Our own network: blocks of convolutions, then mean and standard deviation over time, weighted by attention."""

from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ser.models.base import ARCHITECTURES, Dimensions, Published
from ser.models.layers import Pool, build_averaging_matrix, conv, initialise, scale_units
from ser.settings.declaration import settings
from ser.settings.ranges import Choice, Floats, Ints


@ARCHITECTURES.register("sercnn")
@settings
class SerCNN:
    """A small network for clips: about 44 million multiplications for 64 mel bands and 188 frames.

    Source:
        Our choice. Blocks and average pooling after Kong et al., PANNs (2020), section II; statistics
        over time, for which length does not matter, after Okabe et al., Attentive statistics pooling (2018).
    """

    published: ClassVar[Published | None] = None

    # Multiplies channels, to fit a budget of computing time.
    width: Annotated[float, Floats(0.0625, 4.0, searched=False)] = 1.0
    n_blocks: Annotated[int, Ints(3, 5)] = 5
    # Channels of the first block; they double with each block, up to eightfold.
    channels: Annotated[int, Choice((16, 24, 32, 48))] = 16
    convolutions_per_block: Annotated[int, Choice((1, 2))] = 2
    kernel: Annotated[int, Choice((3, 5))] = 3
    # Pooling that halves the map between blocks.
    downsampling: Annotated[str, Choice(("average", "max"), searched=False)] = "average"
    # 2-D only: number of bands into which the last map's frequency axis is divided; each is averaged and becomes
    # channels of its own, 1 averages over the whole axis. More bands than the last map has rows repeat rows.
    n_bands: Annotated[int, Ints(1, 8, searched=False)] = 1
    pooling: Annotated[str, Choice(("attention", "statistics"))] = "attention"
    norm: Annotated[str, Choice(("batch", "none"))] = "batch"
    # Inputs of the first block beside the features: 0 none, 1 their slopes, 2 the slopes of the slopes as well.
    deltas: Annotated[int, Ints(0, 2, searched=False)] = 0
    # 'clip' subtracts from each row its mean over the clip.
    centring: Annotated[str, Choice(("none", "clip"), searched=False)] = "none"
    dropout: Annotated[float, Floats(0.0, 0.6)] = 0.3

    def build(self, *, dimensions: Dimensions, in_channels: int, n_classes: int) -> nn.Module:
        """Untrained network: (B, D, T) or (B, 1, M, T) float32 in, (B, n_classes) logits out."""
        layers: list[nn.Module] = [Centring()] if self.centring == "clip" else []
        layers += [Deltas(self.deltas)] if self.deltas else []
        in_channels *= 1 + self.deltas
        for block in range(self.n_blocks):
            out_channels = self._count_channels(block, dimensions)
            layers += self._build_block(block, dimensions, in_channels, out_channels)
            in_channels = out_channels
        if dimensions == 2:
            in_channels *= self.n_bands
        return initialise(
            nn.Sequential(
                *layers,
                Bands(self.n_bands),
                AttentiveStatistics(in_channels) if self.pooling == "attention" else Statistics(),
                nn.Dropout(self.dropout),
                nn.Linear(2 * in_channels, n_classes),
            )
        )

    def _count_channels(self, block: int, dimensions: Dimensions) -> int:
        """Channels of a block, twice as many in 1-D, where they cost little and the input alone has about a hundred."""
        return scale_units(self.channels * min(2**block, 8) * (2 if dimensions == 1 else 1), self.width)

    def _build_block(self, block: int, dimensions: Dimensions, in_channels: int, out_channels: int) -> list[nn.Module]:
        """Pooling by two, then convolutions; the first one in 2-D has stride 2, because a full-size map costs most."""
        layers: list[nn.Module] = []
        if block > 0:
            # No pooling over time before the last block, so that the statistics have enough frames.
            time = 1 if block == self.n_blocks - 1 else 2
            layers.append(Pool(self.downsampling, window=(2, time)[-dimensions:], stride=2))
        for i in range(self.convolutions_per_block):
            stride = 2 if dimensions == 2 and block == 0 and i == 0 else 1
            layers += conv(
                dimensions,
                in_channels if i == 0 else out_channels,
                out_channels,
                kernel=self.kernel,
                stride=stride,
                padding=self.kernel // 2,
                norm=self.norm,
            )
            layers.append(nn.ReLU())
        return layers


class Centring(nn.Module):
    """Subtract from each row its mean over the clip: this removes level, microphone and timbre from a log-mel map."""

    def forward(self, clips: Tensor) -> Tensor:
        """Centre (B, D, T) or (B, 1, M, T) clips."""
        return clips - clips.mean(-1, keepdim=True)


class Deltas(nn.Module):
    """Additional channels for the change of the features: slopes over five frames, and slopes of the slopes.

    Source:
        Young et al., The HTK book (2006), eq. 5.16, with a window of 2; edges repeat the outermost frame.
    """

    def __init__(self, order: int) -> None:
        super().__init__()
        self.order = order

    def forward(self, clips: Tensor) -> Tensor:
        """Append slopes to (B, C, T) or (B, C, M, T) clips: (1 + order) times as many channels."""
        channels = [clips]
        for _ in range(self.order):
            channels.append(_compute_slope(channels[-1]))
        return torch.cat(channels, dim=1)


def _compute_slope(maps: Tensor) -> Tensor:
    flat = F.pad(maps.flatten(1, -2), (2, 2), mode="replicate").view(*maps.shape[:-1], -1)
    n_frames = maps.shape[-1]
    nearer, farther = (
        flat[..., 2 + step : 2 + step + n_frames] - flat[..., 2 - step : 2 - step + n_frames] for step in (1, 2)
    )
    return (nearer + 2 * farther) / 10


class Bands(nn.Module):
    """Average over each of `n_bands` parts of a map's frequency axis, as channels; 1-D maps pass unchanged."""

    def __init__(self, n_bands: int) -> None:
        super().__init__()
        self.n_bands = n_bands

    def forward(self, maps: Tensor) -> Tensor:
        """Average (B, C, M, T) maps to (B, C * n_bands, T); return (B, C, T) maps as they are."""
        if maps.ndim == 3:
            return maps
        return (build_averaging_matrix(maps, maps.shape[2], self.n_bands) @ maps).flatten(1, 2)


class Statistics(nn.Module):
    """Mean and standard deviation over time."""

    def forward(self, maps: Tensor) -> Tensor:
        """Summarise (B, C, T) maps as (B, 2 C)."""
        return _compute_moments(maps, torch.full_like(maps[:, :1], 1 / maps.shape[-1]))


class AttentiveStatistics(nn.Module):
    """Mean and standard deviation over time, each frame weighted by the score of a small network."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // 4)
        # A bias in the last layer would cancel in the softmax.
        self.score = nn.Sequential(nn.Conv1d(channels, hidden, 1), nn.Tanh(), nn.Conv1d(hidden, 1, 1, bias=False))

    def forward(self, maps: Tensor) -> Tensor:
        """Summarise (B, C, T) maps as (B, 2 C)."""
        return _compute_moments(maps, self.score(maps).softmax(-1))


def _compute_moments(maps: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean and standard deviation; a small constant keeps the root's gradient finite at zero."""
    mean = (maps * weights).sum(-1)
    variance = ((maps - mean[..., None]).square() * weights).sum(-1)
    return torch.cat([mean, (variance + 1e-5).sqrt()], dim=1)
