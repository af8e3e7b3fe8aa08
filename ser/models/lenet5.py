"""LeNet-5: two convolutions with average pooling, three fully connected layers."""

from typing import Annotated, ClassVar, Literal, cast

from torch import nn

from ser.models.base import ARCHITECTURES, Dimensions, Published
from ser.models.layers import GridAverage, conv, initialise, pool, scaled
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

    # For budgets: multiplies channels and hidden units.
    width: Annotated[float, Floats(0.0625, 4.0, searched=False)] = 1.0
    # Clips make maps of other sizes than a digit's 5 x 5: they are averaged to grid (x grid).
    grid: Annotated[int, Ints(1, 8)] = 5
    # The original squashes; rectifying became usual later.
    activation: Annotated[str, Choice(("tanh", "relu"))] = "tanh"
    norm: Annotated[str, Choice(("none", "batch"))] = "none"
    # Not in the original, which saw 60,000 digits; a few thousand clips are learnt by heart sooner.
    dropout: Annotated[float, Floats(0.0, 0.6)] = 0.0

    def build(self, *, dimensions: Dimensions, in_channels: int, n_classes: int) -> nn.Module:
        """The network, untrained: (B, D, T) or (B, 1, M, T) float32 in, (B, n_classes) logits out."""
        first, second = scaled(6, self.width), scaled(16, self.width)
        hidden, last = scaled(120, self.width), scaled(84, self.width)
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
