"""Small charts as SVG, legible at the width of a phone."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from ser.report.markers import Marker

WIDTH, HEIGHT = 340, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 14, 12, 46
_MOST_TICKS = 5
_STEPS = (1.0, 2.0, 5.0, 10.0)

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """Axis of a chart, from `low` to `high`, which must be above 0 for `log`."""

    title: str
    low: float
    high: float
    log: bool = False
    percent: bool = False

    def place(self, value: float) -> float:
        """Place a value on the axis: 0 at the low end, 1 at the high end."""
        low, high, scaled = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return (scaled - low) / (high - low)

    def ticks(self) -> list[tuple[float, str]]:
        """List round values on the axis with their labels."""
        values = self._list_decades() if self.log else self._list_steps()
        return [(value, self._format(value)) for value in values if self.low <= value <= self.high]

    def _list_steps(self) -> list[float]:
        rough = (self.high - self.low) / (_MOST_TICKS - 1)
        magnitude = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * magnitude for factor in _STEPS if factor * magnitude >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        return [round(n * step, 10) for n in range(first, first + 2 * _MOST_TICKS)]

    def _list_decades(self) -> list[float]:
        exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for factors in ((1, 2, 5), (1, 3), (1,)):
            values = [factor * 10.0**exponent for exponent in exponents for factor in factors]
            if sum(self.low <= value <= self.high for value in values) <= _MOST_TICKS:
                return values
        return values

    def _format(self, value: float) -> str:
        scaled = 100 * value if self.percent else value
        if abs(scaled) >= 1e6:
            return f"{scaled / 1e6:g} M"
        if abs(scaled) >= 1e4:
            return f"{scaled / 1e3:g} k"
        return f"{scaled:g}"


def fit_axis(title: str, values: Iterable[float], *, log: bool = False, percent: bool = False) -> Axis:
    """Fit an axis to the finite ones of some values, with room at both ends."""
    listed = [value for value in values if math.isfinite(value)]
    low, high = min(listed), max(listed)
    if log:
        room = max((high / low) ** 0.12, 1.15)
        return Axis(title, low / room, high * room, log=True, percent=percent)
    room = max(0.1 * (high - low), 0.02 * max(abs(low), abs(high)), 1e-6)
    return Axis(title, low - room, high + room, percent=percent)


class Picture:
    """SVG under construction: the axes are drawn first, then what is added.

    Args:
        x: horizontal axis.
        y: vertical axis.
    """

    def __init__(self, x: Axis, y: Axis) -> None:
        self._x, self._y = x, y
        self._parts = [*self._draw_grid()]

    def locate(self, point: Point) -> Point:
        """Convert a point of the data to the coordinates of the SVG."""
        x, y = self._x.place(point[0]), self._y.place(point[1])
        return _LEFT + x * (WIDTH - _LEFT - _RIGHT), HEIGHT - _BOTTOM - y * (HEIGHT - _TOP - _BOTTOM)

    def line(self, points: Sequence[Point], *, colour: str, width: float = 2, dash: str = "") -> None:
        """Draw straight lines from point to point."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(self.locate, points))
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dashed} '
            'stroke-linejoin="round"/>'
        )

    def mark(self, point: Point, marker: Marker, *, size: float = 1.0, title: str = "") -> None:
        """Draw a marker at a point, with a title that a browser shows under the mouse."""
        x, y = self.locate(point)
        tooltip = f"<title>{escape(title)}</title>" if title else ""
        self._parts.append(
            f'<path d="{marker.shape}" transform="translate({x:.1f} {y:.1f}) scale({size})" fill="{marker.fill}" '
            f'stroke="{marker.colour}" stroke-width="{1.8 / size:.2f}">{tooltip}</path>'
        )

    def bar(self, low: Point, high: Point, *, colour: str) -> None:
        """Draw a box between two corners."""
        (x1, y1), (x2, y2) = self.locate(low), self.locate(high)
        self._parts.append(
            f'<rect x="{min(x1, x2):.1f}" y="{min(y1, y2):.1f}" width="{abs(x2 - x1):.1f}" '
            f'height="{abs(y2 - y1):.1f}" fill="{colour}"/>'
        )

    def text(self, point: Point, text: str, *, above: bool = True) -> None:
        """Write a few words near a point, inside the chart."""
        x, y = self.locate(point)
        end = x > WIDTH - _RIGHT - 7 * len(text) - 9
        anchor, shift = ("end", -9) if end else ("start", 9)
        y += -6 if above else 14
        self._parts.append(f'<text x="{x + shift:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>')

    def svg(self, description: str) -> str:
        """Return the markup, with a description as alternative text."""
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(description)}">'
            f"{''.join(self._parts)}</svg>"
        )

    def _draw_grid(self) -> Iterable[str]:
        bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
        for value, text in self._y.ticks():
            _, y = self.locate((self._x.low, value))
            yield f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
            yield f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
        for value, text in self._x.ticks():
            x, _ = self.locate((value, self._y.low))
            yield f'<line class="grid" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}"/>'
            yield f'<text class="tick" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{text}</text>'
        middle = (_LEFT + right) / 2
        yield f'<text class="axis" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(self._x.title)}</text>'
        yield (
            f'<text class="axis" transform="translate(12 {(_TOP + bottom) / 2}) rotate(-90)" '
            f'text-anchor="middle">{escape(self._y.title)}</text>'
        )
