"""The report as one HTML page that needs nothing else: style and pictures are inside."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ser.report.content import Column, Report

_FOLDER = Path(__file__).parent
_WHITE, _DARK = (255, 255, 255), (0, 44, 96)
# Of a ground on which black and white letters have the same contrast, 4.6.
_MIDDLE_LUMINANCE = 0.179


def page(report: Report) -> str:
    """The whole page."""
    environment = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined)
    css = (_FOLDER / "page.css").read_text(encoding="utf-8")
    percent = Column("", "", percent=True).shown
    template = environment.get_template("page.html.jinja")
    return template.render(report=report, css=css, shade=shade, ink=ink, percent=percent, zip=zip)


def shade(share: float) -> str:
    """White for 0 to dark blue for 1, so that it grows darker evenly in grey too."""
    return "#" + "".join(f"{part:02x}" for part in _ground(share))


def ink(share: float) -> str:
    """Black or white, whichever is read more easily on `shade(share)`.

    Source:
        Relative luminance and contrast of the Web Content Accessibility Guidelines 2.2.
    """
    parts = (part / 255 for part in _ground(share))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    luminance = sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "#000" if luminance > _MIDDLE_LUMINANCE else "#fff"


def _ground(share: float) -> list[int]:
    return [round(white + share * (dark - white)) for white, dark in zip(_WHITE, _DARK, strict=True)]
