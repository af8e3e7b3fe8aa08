import pytest
import torch
from torch import nn

from ser.models.layers import GridAverage, Pool, pool, scale_units


@pytest.mark.parametrize("grid", [1, 2, 5, 7])
@pytest.mark.parametrize("shape", [(3, 4, 2, 10), (3, 4, 13, 44), (3, 4, 7, 7), (3, 4, 1, 3)])
def test_grid_average_is_adaptive_average_pooling(grid, shape):
    maps = torch.randn(shape)
    torch.testing.assert_close(GridAverage(grid)(maps), nn.AdaptiveAvgPool2d(grid)(maps).flatten(1))
    rows = maps[:, :, 0]
    torch.testing.assert_close(GridAverage(grid)(rows), nn.AdaptiveAvgPool1d(grid)(rows).flatten(1))


@pytest.mark.parametrize("kind", ["max", "average"])
def test_pooling_never_empties_a_map(kind):
    assert pool(kind, 1, window=3)(torch.randn(2, 3, 1)).shape == (2, 3, 1)
    assert pool(kind, 2, window=3)(torch.randn(2, 3, 1, 8)).shape == (2, 3, 1, 3)


def test_pooling_of_ordinary_maps_is_torchs():
    maps = torch.randn(2, 3, 15, 20)
    assert torch.equal(pool("max", 2, window=3)(maps), nn.MaxPool2d(3, 2)(maps))
    assert torch.equal(pool("average", 2)(maps), nn.AvgPool2d(2)(maps))
    assert torch.equal(pool("max", 1, window=3)(maps[:, :, 0]), nn.MaxPool1d(3, 2)(maps[:, :, 0]))


def test_pooling_of_one_axis_leaves_the_other():
    assert Pool("average", window=(2, 1), stride=2)(torch.randn(2, 3, 8, 9)).shape == (2, 3, 4, 9)


def test_scaled_counts_never_vanish():
    assert [scale_units(64, 0.125), scale_units(6, 0.0625), scale_units(6, 1.0)] == [8, 1, 6]
