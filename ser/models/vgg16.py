"""VGG16: thirteen 3-wide convolutions in five groups, three fully connected layers."""

from typing import Annotated, ClassVar

from torch import nn

from ser.models.base import ARCHITECTURES, Dimensions, Published
from ser.models.layers import GridAverage, conv, initialise, pool, scale_units
from ser.settings.declaration import settings
from ser.settings.ranges import Choice, Floats, Ints

GROUPS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and number of convolutions of each group."""


@ARCHITECTURES.register("vgg16")
@settings
class VGG16:
    """VGG16 for clips.

    Source:
        Simonyan and Zisserman, Very deep convolutional networks for large-scale image recognition (2015),
        table 1, configuration D.
    """

    published: ClassVar[Published | None]

    # Multiplies channels and hidden units, to fit a budget of computing time; 0.125 runs on a laptop.
    width: Annotated[float, Floats(0.0625, 2.0, searched=False)] = 1.0
    # Published: 7. A clip of 3 s ends as a map of 2 x 5; a larger grid would only repeat values.
    grid: Annotated[int, Ints(1, 7)] = 2
    # Published: none. The network was made for a million images; without it, training on a few thousand clips hardly
    # makes progress.
    norm: Annotated[str, Choice(("none", "batch"))] = "batch"
    dropout: Annotated[float, Floats(0.0, 0.6)] = 0.5

    def build(self, *, dimensions: Dimensions, in_channels: int, n_classes: int) -> nn.Module:
        """Untrained network: (B, D, T) or (B, 1, M, T) float32 in, (B, n_classes) logits out."""
        layers: list[nn.Module] = []
        for channels, n_convolutions in GROUPS:
            out_channels = scale_units(channels, self.width)
            for _ in range(n_convolutions):
                layers += conv(dimensions, in_channels, out_channels, kernel=3, padding=1, norm=self.norm)
                layers.append(nn.ReLU())
                in_channels = out_channels
            layers.append(pool("max", dimensions))
        network = nn.Sequential(*layers, *self._build_classifier(in_channels, dimensions, n_classes))
        # The deviation of the paper, section 3.1.
        return initialise(network, output_deviation=0.01)

    def _build_classifier(self, channels: int, dimensions: Dimensions, n_classes: int) -> list[nn.Module]:
        hidden = scale_units(4096, self.width)
        return [
            GridAverage(self.grid),
            nn.Linear(channels * self.grid**dimensions, hidden),
            nn.ReLU(),
            nn.Dropout(self.dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(self.dropout),
            nn.Linear(hidden, n_classes),
        ]


VGG16.published = Published(
    settings=VGG16(grid=7, norm="none"), input_shape=(3, 224, 224), n_classes=1000, n_parameters=138_357_544
)
