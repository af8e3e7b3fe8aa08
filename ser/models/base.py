"""The contract of an architecture: frozen settings that build a network for 1-D or 2-D input."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import nn

from ser.settings.registry import Registry

Dimensions = Literal[1, 2]


@dataclass(frozen=True)
class Published:
    """The network as its paper (or its reference implementation) has it: a fact that tests hold us to."""

    settings: Any
    input_shape: tuple[int, int, int]
    n_classes: int
    n_parameters: int


class Architecture(Protocol):
    """Settings of one network; registered under its name."""

    published: ClassVar[Published | None]

    def build(self, *, dimensions: Dimensions, in_channels: int, n_classes: int) -> nn.Module:
        """The network, untrained: (B, D, T) or (B, 1, M, T) float32 in, (B, n_classes) logits out."""
        ...


ARCHITECTURES: Registry[type[Architecture]] = Registry("architecture", "ser.models")


def build_model(
    architecture: Architecture, *, dimensions: Dimensions, in_channels: int, n_classes: int, seed: int
) -> nn.Module:
    """The network with weights drawn from `seed`; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return architecture.build(dimensions=dimensions, in_channels=in_channels, n_classes=n_classes)
