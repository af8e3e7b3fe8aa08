"""Content of a report, independent of its format: sections of tables, matrices, intervals and charts."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ser.evaluation.bootstrap import Interval
from ser.report.markers import Marker

Value = str | int | float | Interval | None
"""Value of a cell of a table; None and NaN are missing."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        key: name in the CSV file.
        title: name on the page.
        percent: values are shares, displayed times 100; the CSV file holds the shares.
        digits: number of digits after the decimal point.
        is_text: values are text and left-aligned.
        detail: small text below the title.
        csv_only: only in the CSV file, because the caption names the value.
    """

    key: str
    title: str
    percent: bool = False
    digits: int = 1
    is_text: bool = False
    detail: str = ""
    csv_only: bool = False

    def format(self, value: Value) -> str:
        """Format a value for display."""
        if isinstance(value, Interval):
            return f"{self.format(value.value)} [{self.format(value.low)}, {self.format(value.high)}]"
        if isinstance(value, str):
            return value
        if value is None or math.isnan(value):
            return "–"
        if self.percent:
            return f"{100 * value:.{self.digits}f}"
        return f"{value:,}" if isinstance(value, int) else f"{value:,.{self.digits}f}"


def make_file_name(title: str) -> str:
    """Make a part of a file name from a title, such as 'mfcc-svm' from 'MFCC + SVM'."""
    return "-".join(re.findall(r"[a-z0-9.]+", title.lower()))


@dataclass(frozen=True)
class Table:
    """Table of figures; the first column names the row.

    Attributes:
        name: name of its CSV file, without the ending.
        caption: description of the values and symbols.
        columns: columns, also those that only the CSV file has.
        rows: one value for each column.
        collapsed: collapsed on the page until the reader expands it.
    """

    kind: ClassVar[str] = "table"
    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    collapsed: bool = False

    def visible_columns(self) -> list[Column]:
        """List the columns for display."""
        return [column for column in self.columns if not column.csv_only]

    def format_rows(self) -> list[list[str]]:
        """Format the rows for display."""
        rows = (zip(self.columns, row, strict=True) for row in self.rows)
        return [[column.format(value) for column, value in row if not column.csv_only] for row in rows]


@dataclass(frozen=True)
class Matrix:
    """Confusion matrix: counts of predictions, rows are the true classes.

    Attributes:
        name: name of its CSV file, without the ending.
        title: heading.
        labels: names of the C classes.
        counts: (C, C).
    """

    kind: ClassVar[str] = "matrix"
    name: str
    title: str
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def shares(self) -> list[list[float]]:
        """Compute the counts of each row over their sum, (C, C)."""
        return [[count / max(sum(row), 1) for count in row] for row in self.counts]


@dataclass(frozen=True)
class ForestRow:
    """Row of a forest plot: a name with its marker and interval."""

    name: str
    marker: Marker
    interval: Interval


@dataclass(frozen=True)
class Forest:
    """Forest plot: intervals below each other on one axis of shares, displayed in percent.

    Attributes:
        caption: description of the values.
        rows: from top to bottom.
        low: left end of the axis.
        high: right end of the axis.
        ticks: values of the axis labels.
        reference: level and name of the reference line.
    """

    kind: ClassVar[str] = "forest"
    caption: str
    rows: tuple[ForestRow, ...]
    low: float
    high: float
    ticks: tuple[float, ...]
    reference: tuple[float, str]

    def place(self, value: float) -> float:
        """Place a value on the axis, in percent of its length."""
        return 100 * (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Chart:
    """Chart as an SVG.

    Attributes:
        title: heading.
        description: alternative text.
        svg: markup.
    """

    kind: ClassVar[str] = "chart"
    title: str
    description: str
    svg: str


@dataclass(frozen=True)
class Gallery:
    """Charts or matrices side by side, with a common caption and legend."""

    kind: ClassVar[str] = "gallery"
    caption: str
    blocks: tuple[Chart | Matrix, ...]
    legend: tuple[tuple[str, Marker], ...] = ()


@dataclass(frozen=True)
class Note:
    """Note that stands out, such as about missing results and the command that makes them."""

    kind: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True)
class Facts:
    """Pairs of name and value."""

    kind: ClassVar[str] = "facts"
    pairs: tuple[tuple[str, str], ...]


Block = Table | Matrix | Forest | Gallery | Note | Facts


@dataclass(frozen=True)
class Section:
    """Section of the report.

    Attributes:
        anchor: its id on the page.
        title: heading.
        lead: main result in one or two sentences.
        blocks: content in order.
    """

    anchor: str
    title: str
    lead: str
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True)
class Report:
    """Report of a sweep; the first section also serves as its summary."""

    title: str
    subtitle: str
    facts: Facts
    sections: tuple[Section, ...]

    def tables(self) -> Iterator[Table | Matrix]:
        """Yield every table and matrix, each of which becomes a CSV file."""
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, Table | Matrix):
                    yield block
                elif isinstance(block, Gallery):
                    yield from (part for part in block.blocks if isinstance(part, Matrix))
