"""Contract of every architecture, as 1-D and as 2-D network."""

from typing import Any

import librosa
import numpy as np
import pytest
import torch
from torch import nn

from ser.models.base import ARCHITECTURES, Dimensions, build_model
from ser.models.sercnn import Bands, Deltas
from ser.settings.declaration import all_settings, with_values
from ser.settings.ranges import SettingError

N_CLASSES = 6
CELLS = [(name, dimensions) for name in ARCHITECTURES for dimensions in (1, 2)]
PUBLISHED = [name for name in ARCHITECTURES if ARCHITECTURES[name].published is not None]
each_cell = pytest.mark.parametrize(("name", "dimensions"), CELLS)


def narrow(name: str, dimensions: Dimensions, *, seed: int = 0, **values) -> nn.Module:
    settings = ARCHITECTURES[name]()
    narrower = {"width": 0.125} if hasattr(settings, "width") else {}
    settings = with_values(settings, {**narrower, **values})
    in_channels = 110 if dimensions == 1 else 1
    return build_model(settings, dimensions=dimensions, in_channels=in_channels, n_classes=N_CLASSES, seed=seed)


def clips(dimensions: Dimensions, *, n_clips: int = 4, n_frames: int = 188, n_mels: int = 64) -> torch.Tensor:
    rows = (110,) if dimensions == 1 else (1, n_mels)
    return torch.randn(n_clips, *rows, n_frames, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("dimensions", [1, 2])
def test_deltas_are_librosas(dimensions):
    features = clips(dimensions)
    seen = Deltas(2)(features).numpy()
    n_channels = features.shape[1]
    assert seen.shape[1] == 3 * n_channels
    for order in range(2):
        before, after = (seen[:, n_channels * at : n_channels * (at + 1)] for at in (order, order + 1))
        expected = librosa.feature.delta(before, width=5, mode="nearest")
        np.testing.assert_allclose(after, expected, atol=1e-5)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_centred_rows_do_not_know_their_level(dimensions):
    network, uncentred = (narrow("sercnn", dimensions, centring=c, norm="none").eval() for c in ("clip", "none"))
    features = clips(dimensions)
    level = torch.randn(features.shape[:-1], generator=torch.Generator().manual_seed(1))[..., None]
    torch.testing.assert_close(network(features + level), network(features), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(uncentred(features + level), uncentred(features))


def test_bands_are_means_of_their_rows_and_one_band_is_the_mean_of_all():
    maps = torch.arange(24.0).reshape(1, 2, 4, 3)
    halves = torch.stack([maps[:, :, :2].mean(2), maps[:, :, 2:].mean(2)], dim=2)
    torch.testing.assert_close(Bands(2)(maps), halves.flatten(1, 2))
    torch.testing.assert_close(Bands(1)(maps), maps.mean(2))
    torch.testing.assert_close(Bands(2)(maps[:, :, 0]), maps[:, :, 0])


@pytest.mark.parametrize("dimensions", [1, 2])
def test_downsampling_by_averages_or_by_maxima(dimensions):
    by_average, by_maximum = (narrow("sercnn", dimensions, downsampling=kind).eval() for kind in ("average", "max"))
    assert not torch.allclose(by_average(clips(dimensions)), by_maximum(clips(dimensions)))


def test_four_architectures_are_found():
    assert ARCHITECTURES.names() == ["alexnet", "lenet5", "sercnn", "vgg16"]
    assert PUBLISHED == ["alexnet", "lenet5", "vgg16"]


@each_cell
def test_gives_one_logit_per_class(name, dimensions):
    logits = narrow(name, dimensions)(clips(dimensions))
    assert logits.shape == (4, N_CLASSES)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


@each_cell
def test_every_parameter_gets_a_finite_gradient(name, dimensions):
    model = narrow(name, dimensions)
    nn.functional.cross_entropy(model(clips(dimensions)), torch.tensor([0, 1, 2, 3])).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.dtype == torch.float32
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.any(), f"{parameter_name} has no part in the result"


@each_cell
def test_same_seed_gives_same_weights_and_leaves_the_global_state(name, dimensions):
    torch.manual_seed(99)
    expected = torch.rand(3)
    torch.manual_seed(99)
    first, same, other = (narrow(name, dimensions, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@each_cell
def test_takes_short_and_long_clips(name, dimensions):
    model = narrow(name, dimensions).eval()
    for n_frames in (20, 60, 61, 313):
        assert model(clips(dimensions, n_frames=n_frames)).shape == (4, N_CLASSES)


@pytest.mark.parametrize("name", list(ARCHITECTURES))
@pytest.mark.parametrize("n_mels", [40, 128])
def test_takes_few_and_many_mel_bands(name, n_mels):
    assert narrow(name, 2)(clips(2, n_mels=n_mels, n_frames=60)).shape == (4, N_CLASSES)


@each_cell
def test_a_clip_is_judged_alone(name, dimensions):
    model, batch = narrow(name, dimensions).eval(), clips(dimensions)
    torch.testing.assert_close(model(batch)[:1], model(batch[:1]), rtol=1e-4, atol=1e-5)


@each_cell
def test_every_choice_can_be_built(name, dimensions):
    for setting in all_settings(ARCHITECTURES[name]()):
        options = getattr(setting.range, "options", None) or (setting.range.low, setting.range.high)
        for option in options:
            if setting.name != "width":
                values: dict[str, Any] = {setting.name: option}
                assert narrow(name, dimensions, **values)(clips(dimensions)).isfinite().all()


@each_cell
def test_width_scales_the_number_of_parameters(name, dimensions):
    def n_parameters(width: float) -> int:
        return sum(p.numel() for p in narrow(name, dimensions, width=width).parameters())

    assert n_parameters(0.125) < n_parameters(0.25) < n_parameters(0.5)


@each_cell
def test_overfits_a_batch(name, dimensions):
    values: dict[str, Any] = {"dropout": 0.0, "width": {"lenet5": 1.0, "sercnn": 0.5}.get(name, 0.125)}
    model, batch = narrow(name, dimensions, **values), clips(dimensions, n_clips=12)
    labels = torch.arange(12) % N_CLASSES
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(40):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(batch), labels)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5 * np.log(N_CLASSES)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_network_has_the_published_size(name):
    published = ARCHITECTURES[name].published
    with torch.device("meta"):
        model = published.settings.build(
            dimensions=2, in_channels=published.input_shape[0], n_classes=published.n_classes
        )
        logits = model.eval()(torch.empty(2, *published.input_shape))
    assert sum(parameter.numel() for parameter in model.parameters()) == published.n_parameters
    assert logits.shape == (2, published.n_classes)


def test_published_sizes_are_those_of_the_literature():
    # LeNet-5 by hand: 156 + 2,416 + 48,120 + 10,164 + 850; the others as torchvision documents them.
    sizes = {name: ARCHITECTURES[name].published.n_parameters for name in PUBLISHED}
    assert sizes == {"lenet5": 61_706, "alexnet": 61_100_840, "vgg16": 138_357_544}


def test_sercnn_stays_within_its_cost():
    model = build_model(ARCHITECTURES["sercnn"](), dimensions=2, in_channels=1, n_classes=6, seed=0)
    n_multiplications = 0

    def count(module, _, output):
        nonlocal n_multiplications
        n_multiplications += module.weight[0].numel() * output[0].numel()

    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    model(clips(2, n_clips=1).repeat(2, 1, 1, 1))
    assert 42e6 < n_multiplications < 46e6


def test_a_setting_out_of_range_is_refused():
    with pytest.raises(SettingError, match=r"dropout must lie in \[0, 0.6\], got 1.5"):
        ARCHITECTURES["vgg16"](dropout=1.5)  # type: ignore[call-arg]
