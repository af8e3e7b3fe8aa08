"""The report as files: page, Markdown, and a CSV file for each table."""

import csv
import io
import math
from pathlib import Path

from ser.evaluation.bootstrap import Interval
from ser.report.content import Matrix, Report, Table, Value
from ser.report.html import page
from ser.report.markdown import document

PAGE, DOCUMENT, TABLES = "report.html", "report.md", "tables"


def files_of(report: Report) -> dict[str, str]:
    """The text of each file by its path within the report's folder."""
    tables = {f"{TABLES}/{table.name}.csv": csv_text(table) for table in report.tables()}
    return {PAGE: page(report), DOCUMENT: document(report), **tables}


def write_report(report: Report, folder: Path) -> Path:
    """Write all files below `folder`, without the tables of an earlier report, and give the path of the page."""
    for old in (folder / TABLES).glob("*.csv"):
        old.unlink()
    for name, text in files_of(report).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / PAGE


def csv_text(table: Table | Matrix) -> str:
    """A table for programs: shares instead of percent, an interval as three columns."""
    rows = _matrix_rows(table) if isinstance(table, Matrix) else _table_rows(table)
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def _matrix_rows(matrix: Matrix) -> list[list[object]]:
    counts: list[list[object]] = [[label, *row] for label, row in zip(matrix.labels, matrix.counts, strict=True)]
    return [["truth", *matrix.labels], *counts]


def _table_rows(table: Table) -> list[list[object]]:
    ranged = [any(isinstance(row[at], Interval) for row in table.rows) for at in range(len(table.columns))]
    header: list[object] = []
    for column, has_ends in zip(table.columns, ranged, strict=True):
        header += [column.key, f"{column.key}_low", f"{column.key}_high"] if has_ends else [column.key]
    return [header, *(_row(row, ranged) for row in table.rows)]


def _row(row: tuple[Value, ...], ranged: list[bool]) -> list[object]:
    values: list[object] = []
    for value, has_ends in zip(row, ranged, strict=True):
        if isinstance(value, Interval):
            values += [_number(value.value), _number(value.low), _number(value.high)]
        else:
            values += [_number(value), "", ""] if has_ends else [_number(value)]
    return values


def _number(value: Value) -> object:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value
