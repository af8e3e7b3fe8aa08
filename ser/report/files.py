"""Files of a report: HTML page, Markdown, and a CSV file for each table."""

import csv
import io
import math
from pathlib import Path

from ser.evaluation.bootstrap import Interval
from ser.files import write_text
from ser.report.content import Matrix, Report, Table, Value
from ser.report.html import render_page
from ser.report.markdown import render_markdown

PAGE, DOCUMENT, TABLES = "report.html", "report.md", "tables"


def render_files(report: Report) -> dict[str, str]:
    """Render the text of each file, by its path within the report's folder."""
    tables = {f"{TABLES}/{table.name}.csv": render_csv(table) for table in report.tables()}
    return {PAGE: render_page(report), DOCUMENT: render_markdown(report), **tables}


def write_report(report: Report, folder: Path) -> Path:
    """Write all files below a folder, and remove the tables of an earlier report.

    Args:
        report: to be written.
        folder: is created if it does not exist.

    Returns:
        Path of the page.

    Raises:
        OSError: the folder cannot be written to.
    """
    for old in (folder / TABLES).glob("*.csv"):
        old.unlink()
    for name, text in render_files(report).items():
        write_text(folder / name, text, durable=False)
    return folder / PAGE


def render_csv(table: Table | Matrix) -> str:
    """Render a table as CSV, with shares instead of percent and an interval as three columns."""
    rows = _list_matrix_rows(table) if isinstance(table, Matrix) else _list_table_rows(table)
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def _list_matrix_rows(matrix: Matrix) -> list[list[object]]:
    counts: list[list[object]] = [[label, *row] for label, row in zip(matrix.labels, matrix.counts, strict=True)]
    return [["truth", *matrix.labels], *counts]


def _list_table_rows(table: Table) -> list[list[object]]:
    has_interval = [any(isinstance(row[index], Interval) for row in table.rows) for index in range(len(table.columns))]
    header: list[object] = []
    for column, expanded in zip(table.columns, has_interval, strict=True):
        header += [column.key, f"{column.key}_low", f"{column.key}_high"] if expanded else [column.key]
    return [header, *(_expand_row(row, has_interval) for row in table.rows)]


def _expand_row(row: tuple[Value, ...], has_interval: list[bool]) -> list[object]:
    values: list[object] = []
    for value, expanded in zip(row, has_interval, strict=True):
        if isinstance(value, Interval):
            values += [_blank_missing(value.value), _blank_missing(value.low), _blank_missing(value.high)]
        else:
            values += [_blank_missing(value), "", ""] if expanded else [_blank_missing(value)]
    return values


def _blank_missing(value: Value) -> object:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value
