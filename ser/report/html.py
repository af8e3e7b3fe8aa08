"""The report as one self-contained HTML page, with style and charts inside."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ser.report.content import Column, Report

_FOLDER = Path(__file__).parent
_WHITE, _DARK = (255, 255, 255), (0, 44, 96)
# Relative luminance of a background on which black and white letters have the same contrast, 4.6.
_MIDDLE_LUMINANCE = 0.179


def render_page(report: Report) -> str:
    """Render the page."""
    environment = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined)
    css = (_FOLDER / "page.css").read_text(encoding="utf-8")
    percent = Column("", "", percent=True).format
    template = environment.get_template("page.html.jinja")
    return template.render(report=report, css=css, shade=choose_background, ink=choose_ink, percent=percent, zip=zip)


def choose_background(share: float) -> str:
    """Choose the background of a share in [0, 1], from white to dark blue, with even steps in grey too."""
    return "#" + "".join(f"{part:02x}" for part in _mix_background(share))


def choose_ink(share: float) -> str:
    """Choose black or white text, the one with more contrast to `choose_background(share)`.

    Source:
        Relative luminance and contrast of the Web Content Accessibility Guidelines 2.2.
    """
    parts = (part / 255 for part in _mix_background(share))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    luminance = sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "#000" if luminance > _MIDDLE_LUMINANCE else "#fff"


def _mix_background(share: float) -> list[int]:
    return [round(white + share * (dark - white)) for white, dark in zip(_WHITE, _DARK, strict=True)]
