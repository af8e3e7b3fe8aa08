"""Layers that the networks share, for 1-D and 2-D maps of any size.

B batch, D feature channels, M mel bands, T frames, C channels of a map; maps are (B, C, T) or (B, C, M, T).
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ser.models.base import Dimensions


def conv(
    dimensions: Dimensions,
    in_channels: int,
    out_channels: int,
    *,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    norm: str = "none",
) -> list[nn.Module]:
    """Convolution with the same kernel size along every axis, and batch normalisation if `norm` is 'batch'.

    Args:
        dimensions: 1 for (B, C, T) maps, 2 for (B, C, M, T) maps.
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: size along every axis.
        stride: along every axis.
        padding: zeros at both ends of every axis.
        norm: 'none' or 'batch'.
    """
    # Batch normalisation subtracts the mean, so a bias before it would do nothing.
    bias = norm == "none"
    kind: type[nn.Conv1d] | type[nn.Conv2d] = nn.Conv1d if dimensions == 1 else nn.Conv2d
    operator = kind(in_channels, out_channels, kernel, stride=stride, padding=padding, bias=bias)
    if norm == "none":
        return [operator]
    return [operator, nn.BatchNorm1d(out_channels) if dimensions == 1 else nn.BatchNorm2d(out_channels)]


_POOLINGS: dict[tuple[str, int], Callable[..., Tensor]] = {
    ("max", 1): F.max_pool1d,
    ("max", 2): F.max_pool2d,
    ("average", 1): F.avg_pool1d,
    ("average", 2): F.avg_pool2d,
}


class Pool(nn.Module):
    """Maximum or average pooling, with which maps never vanish: an axis shorter than its window is pooled whole.

    Args:
        kind: 'max' or 'average'.
        window: size along each axis.
        stride: along each axis, no longer than its window.
    """

    def __init__(self, kind: str, *, window: tuple[int, ...], stride: int) -> None:
        super().__init__()
        self.kind = kind
        self.window = window
        self.stride = tuple(min(size, stride) for size in window)

    def forward(self, maps: Tensor) -> Tensor:
        """Pool (B, C, T) or (B, C, M, T) maps."""
        sizes = maps.shape[2:]
        window = tuple(min(pair) for pair in zip(self.window, sizes, strict=True))
        return _POOLINGS[self.kind, len(sizes)](maps, window, self.stride)


def pool(kind: Literal["max", "average"], dimensions: Dimensions, *, window: int = 2, stride: int = 2) -> Pool:
    """Pooling with the same window along every axis."""
    return Pool(kind, window=(window,) * dimensions, stride=stride)


class GridAverage(nn.Module):
    """Adaptive average pooling to `grid` cells along every axis, then flattening.

    The numbers are those of `nn.AdaptiveAvgPool2d`. They are computed as matrix products, because on CUDA the gradient
    of PyTorch's operator adds up in no fixed order, so that no training could be repeated exactly.
    """

    def __init__(self, grid: int) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, maps: Tensor) -> Tensor:
        """Average (B, C, T) or (B, C, M, T) maps to (B, C * grid ** dimensions)."""
        cells = maps @ build_averaging_matrix(maps, maps.shape[-1], self.grid).T
        if maps.ndim == 4:
            cells = build_averaging_matrix(maps, maps.shape[-2], self.grid) @ cells
        return cells.flatten(1)


def build_averaging_matrix(like: Tensor, size: int, grid: int) -> Tensor:
    """Matrix whose row i averages the positions of cell i, (grid, size), of the type and device of `like`."""
    position = torch.arange(size, device=like.device)
    cell = torch.arange(grid, device=like.device)[:, None]
    first, end = cell * size // grid, -(-(cell + 1) * size // grid)
    inside = ((first <= position) & (position < end)).to(like.dtype)
    return inside / inside.sum(1, keepdim=True)


def scale_units(n_units: int, width: float) -> int:
    """Number of channels or hidden units times `width`, rounded, at least one."""
    return max(1, round(n_units * width))


def initialise(
    network: nn.Sequential,
    *,
    activation: Literal["relu", "tanh"] = "relu",
    output_deviation: float | None = None,
) -> nn.Sequential:
    """Draw all weights so that the variance of the activations is kept, and set biases to zero.

    Args:
        network: initialised in place.
        activation: between its layers.
        output_deviation: standard deviation of the last layer's weights; None for that of the other layers.

    Returns:
        The same network.

    Source:
        He et al., Delving deep into rectifiers (2015), eq. 10.
    """
    weighted = [m for m in network.modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Linear)]
    for module in weighted:
        nn.init.kaiming_normal_(module.weight, nonlinearity="linear" if module is weighted[-1] else activation)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    if output_deviation is not None:
        nn.init.normal_(weighted[-1].weight, std=output_deviation)
    return network
