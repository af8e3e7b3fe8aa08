"""What is taken for what: recall of each emotion, and confusion matrices."""

import math

from ser.evaluation.baselines import MAJORITY
from ser.evaluation.bootstrap import Interval, recall_intervals
from ser.report.content import Column, Gallery, Matrix, Section, Table, Value, file_name
from ser.report.report_data import ReportData
from ser.report.split_results import BASELINE_TITLES, NetworkResult


def section(study: ReportData) -> Section:
    """Recall per emotion with intervals, and a matrix for each network."""
    board = study.boards[0]
    columns = (Column("cell", "network"), *(Column(name, f"{name} %", percent=True) for name in study.emotions))
    recalls = {line.name: _recalls(study, line) for line in board.lines}
    rows: tuple[tuple[Value, ...], ...] = tuple((name, *intervals) for name, intervals in recalls.items())
    caption = f"Recall of each emotion, {board.title}, with 95 % intervals over speakers."
    matrices = tuple(_matrix(study, line) for line in board.lines if line.name != BASELINE_TITLES[MAJORITY])
    gallery = Gallery(
        "Confusion matrices: rows are the intended emotion, columns what it was taken for. Above: percent of the row; "
        "below: predictions, of all folds and seeds.",
        matrices,
    )
    return Section("emotions", "Emotions", _lead(study, recalls), (Table("recall", caption, columns, rows), gallery))


def _lead(study: ReportData, recalls: dict[str, list[Interval]]) -> str:
    networks = [recalls[line.name] for line in study.boards[0].networks]
    means = {
        emotion: sum(intervals[at].value for intervals in networks) / len(networks)
        for at, emotion in enumerate(study.emotions)
    }
    easiest, hardest = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    return (
        f"Over all networks {easiest} is recognised most often ({100 * means[easiest]:.0f} %), {hardest} least often "
        f"({100 * means[hardest]:.0f} %)."
    )


def _recalls(study: ReportData, line: NetworkResult) -> list[Interval]:
    if len(line.counts.speakers) < 2:
        return [Interval(math.nan, math.nan, math.nan) for _ in study.emotions]
    return recall_intervals(line.counts, n_resamples=study.n_resamples)


def _matrix(study: ReportData, line: NetworkResult) -> Matrix:
    counts = line.counts.confusions.sum(axis=(0, 1))
    rows = tuple(tuple(map(int, row)) for row in counts)
    return Matrix(f"confusion-{file_name(line.name)}", line.name, study.emotions, rows)
