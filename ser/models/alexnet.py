"""AlexNet in one tower: five convolutions with overlapping max pooling, three fully connected layers."""

from typing import Annotated, ClassVar

from torch import nn

from ser.models.base import ARCHITECTURES, Dimensions, Published
from ser.models.layers import GridAverage, conv, initialise, pool, scale_units
from ser.settings.declaration import settings
from ser.settings.ranges import Choice, Floats, Ints


@ARCHITECTURES.register("alexnet")
@settings
class AlexNet:
    """AlexNet for clips.

    Source:
        Krizhevsky, One weird trick for parallelizing convolutional networks (2014), section 5: one tower.
        First: Krizhevsky, Sutskever, Hinton, ImageNet classification with deep convolutional networks (2012).
    """

    published: ClassVar[Published | None]

    # Multiplies channels and hidden units, to fit a budget of computing time.
    width: Annotated[float, Floats(0.0625, 2.0, searched=False)] = 1.0
    # Published: 4, for 224 pixels; a clip has 64 mel bands, of which a stride of 4 would leave one.
    stem_stride: Annotated[int, Choice((1, 2, 4))] = 2
    # Published: 6. A clip of 3 s ends as a map of 2 x 10; a larger grid would only repeat values.
    grid: Annotated[int, Ints(1, 6)] = 2
    # Published: none. The network was made for a million images; without it, training on a few thousand clips hardly
    # makes progress.
    norm: Annotated[str, Choice(("none", "batch"))] = "batch"
    dropout: Annotated[float, Floats(0.0, 0.6)] = 0.5

    def build(self, *, dimensions: Dimensions, in_channels: int, n_classes: int) -> nn.Module:
        """Untrained network: (B, D, T) or (B, 1, M, T) float32 in, (B, n_classes) logits out."""
        hidden = scale_units(4096, self.width)
        network = nn.Sequential(
            *self._build_convolutions(dimensions, in_channels),
            GridAverage(self.grid),
            nn.Dropout(self.dropout),
            nn.Linear(scale_units(256, self.width) * self.grid**dimensions, hidden),
            nn.ReLU(),
            nn.Dropout(self.dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, n_classes),
        )
        # The deviation of the paper (2012), section 5.
        return initialise(network, output_deviation=0.01)

    def _build_convolutions(self, dimensions: Dimensions, in_channels: int) -> list[nn.Module]:
        """The five convolutions, in order, with max pooling after the first, second and fifth."""
        layers: list[nn.Module] = []
        for channels, kernel, stride, padding, pooled in (
            (64, 11, self.stem_stride, 2, True),
            (192, 5, 1, 2, True),
            (384, 3, 1, 1, False),
            (256, 3, 1, 1, False),
            (256, 3, 1, 1, True),
        ):
            out_channels = scale_units(channels, self.width)
            layers += conv(
                dimensions,
                in_channels,
                out_channels,
                kernel=kernel,
                stride=stride,
                padding=padding,
                norm=self.norm,
            )
            layers.append(nn.ReLU())
            if pooled:
                layers.append(pool("max", dimensions, window=3))
            in_channels = out_channels
        return layers


AlexNet.published = Published(
    settings=AlexNet(stem_stride=4, grid=6, norm="none"),
    input_shape=(3, 224, 224),
    n_classes=1000,
    n_parameters=61_100_840,
)
