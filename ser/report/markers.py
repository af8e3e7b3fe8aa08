"""Markers of the networks in all charts: colour and shape by architecture, hollow for 1-D, filled for 2-D."""

from collections.abc import Iterable
from dataclasses import dataclass

GREY = "#5f6673"
# Okabe and Ito, Color universal design (2008), without yellow, which is hard to see on white.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
# Around (0, 0), about 5 units wide to each side.
_SHAPES = (
    "M5 0A5 5 0 1 1-5 0A5 5 0 1 1 5 0Z",
    "M-4.5-4.5H4.5V4.5H-4.5Z",
    "M0-5.5L5.5 4.5H-5.5Z",
    "M0-6L6 0L0 6L-6 0Z",
    "M0 5.5L5.5-4.5H-5.5Z",
    "M-2-5.5H2V-2H5.5V2H2V5.5H-2V2H-5.5V-2H-2Z",
)
_CROSS = "M-4.5-4.5L4.5 4.5M-4.5 4.5L4.5-4.5"


@dataclass(frozen=True)
class Marker:
    """Colour, and shape as the path of an SVG, filled or hollow."""

    colour: str
    shape: str
    filled: bool

    @property
    def fill(self) -> str:
        """Colour of the inside."""
        return self.colour if self.filled else "#ffffff"


def assign_markers(names: Iterable[str]) -> dict[str, Marker]:
    """Assign a marker to each name: to cells by architecture and dimensionality, to baselines a grey cross.

    Args:
        names: of cells, such as 'vgg16-2d', and of baselines.
    """
    listed = sorted(set(names))
    cells = {name: name.rsplit("-", 1) for name in listed if name.endswith(("-1d", "-2d"))}
    architectures = list(dict.fromkeys(architecture for architecture, _ in cells.values()))
    markers = {name: Marker(GREY, _CROSS, filled=False) for name in listed}
    for name, (architecture, dimensions) in cells.items():
        place = architectures.index(architecture)
        colour, shape = _COLOURS[place % len(_COLOURS)], _SHAPES[place % len(_SHAPES)]
        markers[name] = Marker(colour, shape, filled=dimensions == "2d")
    return markers
