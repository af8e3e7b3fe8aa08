"""Our own network: five blocks of convolutions, and the mean and spread over time that its pooling attends to."""

from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ser.models.base import ARCHITECTURES, Dimensions, Published
from ser.models.layers import Pool, averages, conv, initialise, scaled
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

    width: Annotated[float, Floats(0.0625, 4.0, searched=False)] = 1.0
    n_blocks: Annotated[int, Ints(3, 5)] = 5
    # Channels of the first block; they double with each block, up to eightfold.
    channels: Annotated[int, Choice((16, 24, 32, 48))] = 16
    convolutions_per_block: Annotated[int, Choice((1, 2))] = 2
    kernel: Annotated[int, Choice((3, 5))] = 3
    # How the map is halved between blocks.
    downsampling: Annotated[str, Choice(("average", "max"), searched=False)] = "average"
    # 2-D only: parts of the last map's frequency axis that stay apart, as channels; 1 averages over all of it.
    # More than the last map has rows repeats rows.
    n_bands: Annotated[int, Ints(1, 8, searched=False)] = 1
    pooling: Annotated[str, Choice(("attention", "statistics"))] = "attention"
    norm: Annotated[str, Choice(("batch", "none"))] = "batch"
    # What the first block sees beside the features: nothing, their change, or its change too.
    deltas: Annotated[int, Ints(0, 2, searched=False)] = 0
    # Whether each row is taken relative to its mean over the clip.
    centring: Annotated[str, Choice(("none", "clip"), searched=False)] = "none"
    dropout: Annotated[float, Floats(0.0, 0.6)] = 0.3

    def build(self, *, dimensions: Dimensions, in_channels: int, n_classes: int) -> nn.Module:
        """The network, untrained: (B, D, T) or (B, 1, M, T) float32 in, (B, n_classes) logits out."""
        layers: list[nn.Module] = [Centring()] if self.centring == "clip" else []
        layers += [Deltas(self.deltas)] if self.deltas else []
        in_channels *= 1 + self.deltas
        for block in range(self.n_blocks):
            out_channels = self._channels(block, dimensions)
            layers += self._block(block, dimensions, in_channels, out_channels)
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

    def _channels(self, block: int, dimensions: Dimensions) -> int:
        """Twice as many in 1-D: over one axis they cost little, and the input alone has about a hundred."""
        return scaled(self.channels * min(2**block, 8) * (2 if dimensions == 1 else 1), self.width)

    def _block(self, block: int, dimensions: Dimensions, in_channels: int, out_channels: int) -> list[nn.Module]:
        """Pooling to half, then convolutions; the first 2-D one strides, as a full-size map costs most."""
        layers: list[nn.Module] = []
        if block > 0:
            # Time keeps its resolution before the last block, for the statistics to have enough frames.
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
    """Each row less its mean over the clip: of a log-mel spectrogram that takes away level, microphone and timbre."""

    def forward(self, clips: Tensor) -> Tensor:
        """(B, D, T) or (B, 1, M, T) in, the same out."""
        return clips - clips.mean(-1, keepdim=True)


class Deltas(nn.Module):
    """Channels that say how the features change: slopes over five frames, and slopes of the slopes.

    Source:
        Young et al., The HTK book (2006), eq. 5.16, with a window of 2; edges repeat the outermost frame.
    """

    def __init__(self, order: int) -> None:
        super().__init__()
        self.order = order

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C, T) or (B, C, M, T) in, (1 + order) times as many channels out."""
        channels = [clips]
        for _ in range(self.order):
            channels.append(_slope(channels[-1]))
        return torch.cat(channels, dim=1)


def _slope(maps: Tensor) -> Tensor:
    flat = F.pad(maps.flatten(1, -2), (2, 2), mode="replicate").view(*maps.shape[:-1], -1)
    n_frames = maps.shape[-1]
    nearer, farther = (
        flat[..., 2 + step : 2 + step + n_frames] - flat[..., 2 - step : 2 - step + n_frames] for step in (1, 2)
    )
    return (nearer + 2 * farther) / 10


class Bands(nn.Module):
    """Averages over `n_bands` parts of a map's frequency axis, as channels; a map without that axis passes."""

    def __init__(self, n_bands: int) -> None:
        super().__init__()
        self.n_bands = n_bands

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, M, T) in, (B, C * n_bands, T) out; (B, C, T) in, the same out."""
        if maps.ndim == 3:
            return maps
        return (averages(maps, maps.shape[2], self.n_bands) @ maps).flatten(1, 2)


class Statistics(nn.Module):
    """Mean and standard deviation over time."""

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, T) in, (B, 2 C) out."""
        return _moments(maps, torch.full_like(maps[:, :1], 1 / maps.shape[-1]))


class AttentiveStatistics(nn.Module):
    """Mean and standard deviation over time, frames weighted by a small network that looks at each."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // 4)
        # A bias after the last layer would cancel in the softmax.
        self.score = nn.Sequential(nn.Conv1d(channels, hidden, 1), nn.Tanh(), nn.Conv1d(hidden, 1, 1, bias=False))

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, T) in, (B, 2 C) out."""
        return _moments(maps, self.score(maps).softmax(-1))


def _moments(maps: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean and standard deviation; a small constant keeps the root's gradient finite at zero."""
    mean = (maps * weights).sum(-1)
    variance = ((maps - mean[..., None]).square() * weights).sum(-1)
    return torch.cat([mean, (variance + 1e-5).sqrt()], dim=1)
