"""LeNet-5: two convolutions with average pooling, three fully connected layers."""

from typing import Annotated, ClassVar, Literal, cast

from torch import nn

from ser.models.base import ARCHITECTURES, Dimensions, Published
from ser.models.layers import GridAverage, conv, initialise, pool, scale_units
from ser.settings.declaration import settings
from ser.settings.ranges import Choice, Floats, Ints


@ARCHITECTURES.register("lenet5")
@settings
class LeNet5:
    """LeNet-5 for clips; by default only the numbers of input channels and classes differ from the original.

    Source:
        LeCun et al., Gradient-based learning applied to document recognition (1998), section II.B, as today's
        implementations have it: C3 fully connected to S2, subsampling without weights, a linear output layer.
    """

    published: ClassVar[Published | None]

    # Multiplies channels and hidden units, to fit a budget of computing time.
    width: Annotated[float, Floats(0.0625, 4.0, searched=False)] = 1.0
    # The last maps of clips differ in size from those of digits, 5 x 5: they are averaged to grid (x grid).
    grid: Annotated[int, Ints(1, 8)] = 5
    # Published: tanh. ReLU became usual later.
    activation: Annotated[str, Choice(("tanh", "relu"))] = "tanh"
    norm: Annotated[str, Choice(("none", "batch"))] = "none"
    # Published: none. LeNet-5 was trained on 60,000 digits; a network overfits a few thousand clips sooner.
    dropout: Annotated[float, Floats(0.0, 0.6)] = 0.0

    def build(self, *, dimensions: Dimensions, in_channels: int, n_classes: int) -> nn.Module:
        """Untrained network: (B, D, T) or (B, 1, M, T) float32 in, (B, n_classes) logits out."""
        first, second = scale_units(6, self.width), scale_units(16, self.width)
        hidden, last = scale_units(120, self.width), scale_units(84, self.width)
        activation = nn.Tanh if self.activation == "tanh" else nn.ReLU
        network = nn.Sequential(
            *conv(dimensions, in_channels, first, kernel=5, norm=self.norm),
            activation(),
            pool("average", dimensions),
            *conv(dimensions, first, second, kernel=5, norm=self.norm),
            activation(),
            pool("average", dimensions),
            GridAverage(self.grid),
            nn.Linear(second * self.grid**dimensions, hidden),
            activation(),
            nn.Dropout(self.dropout),
            nn.Linear(hidden, last),
            activation(),
            nn.Dropout(self.dropout),
            nn.Linear(last, n_classes),
        )
        return initialise(network, activation=cast(Literal["relu", "tanh"], self.activation))


LeNet5.published = Published(settings=LeNet5(), input_shape=(1, 32, 32), n_classes=10, n_parameters=61_706)
