"""The report as one HTML page that needs nothing else: style and pictures are inside."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ser.report.content import Column, Report

_FOLDER = Path(__file__).parent
_WHITE, _DARK = (255, 255, 255), (0, 76, 130)


def page(report: Report) -> str:
    """The whole page."""
    environment = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined)
    css = (_FOLDER / "page.css").read_text(encoding="utf-8")
    percent = Column("", "", percent=True).shown
    template = environment.get_template("page.html.jinja")
    return template.render(report=report, css=css, shade=shade, percent=percent, zip=zip)


def shade(share: float) -> str:
    """White for 0 to dark blue for 1, so that it grows darker evenly in grey too."""
    parts = (round(white + share * (dark - white)) for white, dark in zip(_WHITE, _DARK, strict=True))
    return "#" + "".join(f"{part:02x}" for part in parts)
