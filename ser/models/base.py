"""The contract of an architecture: frozen settings that build a network for 1-D or 2-D input."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import nn

from ser.settings.registry import Registry

Dimensions = Literal[1, 2]


@dataclass(frozen=True)
class Published:
    """The network of the paper or of its reference implementation, against which tests check ours.

    Attributes:
        settings: those that reproduce it.
        input_shape: channels, height and width of an image.
        n_classes: outputs.
        n_parameters: trainable parameters.
    """

    settings: Any
    input_shape: tuple[int, int, int]
    n_classes: int
    n_parameters: int


class Architecture(Protocol):
    """Settings of one network, registered under its name; `published` is None for our own."""

    published: ClassVar[Published | None]

    def build(self, *, dimensions: Dimensions, in_channels: int, n_classes: int) -> nn.Module:
        """Untrained network.

        Args:
            dimensions: 1 for (B, D, T) inputs, 2 for (B, 1, M, T) inputs, both float32.
            in_channels: D, or 1 for two dimensions.
            n_classes: C.

        Returns:
            A module whose outputs are (B, C) logits.
        """
        ...


ARCHITECTURES: Registry[type[Architecture]] = Registry("architecture", "ser.models")


def build_model(
    architecture: Architecture, *, dimensions: Dimensions, in_channels: int, n_classes: int, seed: int
) -> nn.Module:
    """Untrained network with initial weights drawn from `seed`; the global random state is left as it was.

    Args:
        architecture: settings of the network.
        dimensions: 1 for (B, D, T) inputs, 2 for (B, 1, M, T) inputs.
        in_channels: D, or 1 for two dimensions.
        n_classes: C.
        seed: the same seed gives the same weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return architecture.build(dimensions=dimensions, in_channels=in_channels, n_classes=n_classes)
