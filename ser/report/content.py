"""What a report says, apart from how it looks: sections of tables, matrices, intervals and pictures."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ser.evaluation.bootstrap import Interval
from ser.report.markers import Marker

Value = str | int | float | Interval | None


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        key: its name in the CSV file.
        title: its name on the page.
        percent: values are shares, shown times 100; the CSV file holds the shares.
        digits: after the point.
        words: values are text, set to the left.
        detail: a few more words below the title.
        filed: only in the CSV file, because the caption says it.
    """

    key: str
    title: str
    percent: bool = False
    digits: int = 1
    words: bool = False
    detail: str = ""
    filed: bool = False

    def shown(self, value: Value) -> str:
        """The value for people."""
        if isinstance(value, Interval):
            return f"{self.shown(value.value)} [{self.shown(value.low)}, {self.shown(value.high)}]"
        if isinstance(value, str):
            return value
        if value is None or math.isnan(value):
            return "–"
        if self.percent:
            return f"{100 * value:.{self.digits}f}"
        return f"{value:,}" if isinstance(value, int) else f"{value:,.{self.digits}f}"


def file_name(title: str) -> str:
    """A title as part of a file's name: 'MFCC + SVM' as 'mfcc-svm'."""
    return "-".join(re.findall(r"[a-z0-9.]+", title.lower()))


@dataclass(frozen=True)
class Table:
    """Rows of figures; the first column names the row.

    Attributes:
        name: of its CSV file.
        caption: what it holds, and how to read it.
        folded: shown closed, to be opened by who wants it.
    """

    kind: ClassVar[str] = "table"
    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    folded: bool = False

    def visible(self) -> list[Column]:
        """The columns for people."""
        return [column for column in self.columns if not column.filed]

    def shown(self) -> list[list[str]]:
        """The rows for people."""
        rows = (zip(self.columns, row, strict=True) for row in self.rows)
        return [[column.shown(value) for column, value in row if not column.filed] for row in rows]


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: counts of predictions, rows are truth."""

    kind: ClassVar[str] = "matrix"
    name: str
    title: str
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def shares(self) -> list[list[float]]:
        """Each row over its sum."""
        return [[count / max(sum(row), 1) for count in row] for row in self.counts]


@dataclass(frozen=True)
class ForestRow:
    """A name with its mark, and its interval."""

    name: str
    mark: Marker
    interval: Interval


@dataclass(frozen=True)
class Forest:
    """Intervals below each other on one axis of shares, shown in percent.

    Attributes:
        low, high: the ends of the axis.
        ticks: where it is labelled.
        reference: a level to look at, with its name.
    """

    kind: ClassVar[str] = "forest"
    caption: str
    rows: tuple[ForestRow, ...]
    low: float
    high: float
    ticks: tuple[float, ...]
    reference: tuple[float, str]

    def place(self, value: float) -> float:
        """Where on the axis a value is, in percent of its length."""
        return 100 * (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Chart:
    """A picture.

    Attributes:
        title: above it.
        description: what a reader who does not see it should know.
        svg: markup.
    """

    kind: ClassVar[str] = "chart"
    title: str
    description: str
    svg: str


@dataclass(frozen=True)
class Gallery:
    """Pictures or matrices side by side where there is room, with what they share: caption and marks."""

    kind: ClassVar[str] = "gallery"
    caption: str
    blocks: tuple[Chart | Matrix, ...]
    legend: tuple[tuple[str, Marker], ...] = ()


@dataclass(frozen=True)
class Note:
    """A sentence that stands out: what is missing, and how to get it."""

    kind: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True)
class Facts:
    """Names and what they stand for."""

    kind: ClassVar[str] = "facts"
    pairs: tuple[tuple[str, str], ...]


Block = Table | Matrix | Forest | Gallery | Note | Facts


@dataclass(frozen=True)
class Section:
    """A part of the report under a heading, with what it says in a sentence or two."""

    anchor: str
    title: str
    lead: str
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True)
class Report:
    """The whole report; its first section is its short form."""

    title: str
    subtitle: str
    facts: Facts
    sections: tuple[Section, ...]

    def tables(self) -> Iterator[Table | Matrix]:
        """Everything that becomes a CSV file."""
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, Table | Matrix):
                    yield block
                elif isinstance(block, Gallery):
                    yield from (inner for inner in block.blocks if isinstance(inner, Matrix))
