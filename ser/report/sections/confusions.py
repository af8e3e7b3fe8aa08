"""Section on emotions: recall of each emotion, and confusion matrices."""

import math

from ser.evaluation.baselines import MAJORITY
from ser.evaluation.bootstrap import Interval, recall_intervals
from ser.report.content import Column, Gallery, Matrix, Section, Table, Value, make_file_name
from ser.report.report_data import ReportData
from ser.report.split_results import BASELINE_TITLES, NetworkResult


def build_section(data: ReportData) -> Section:
    """Build a table of recalls with intervals, and a confusion matrix for each network."""
    results = data.split_results[0]
    columns = (Column("cell", "network"), *(Column(name, f"{name} %", percent=True) for name in data.emotions))
    recalls = {network.name: _compute_recalls(data, network) for network in results.with_baselines}
    rows: tuple[tuple[Value, ...], ...] = tuple((name, *intervals) for name, intervals in recalls.items())
    caption = f"Recall of each emotion, {results.title}, with 95 % intervals over speakers."
    matrices = tuple(
        _make_matrix(data, network) for network in results.with_baselines if network.name != BASELINE_TITLES[MAJORITY]
    )
    gallery = Gallery(
        "Confusion matrices: rows are the intended emotion, columns the predicted one. Above: percent of the row; "
        "below: number of predictions, over all folds and seeds.",
        matrices,
    )
    return Section(
        "emotions", "Emotions", _summarize(data, recalls), (Table("recall", caption, columns, rows), gallery)
    )


def _summarize(data: ReportData, recalls: dict[str, list[Interval]]) -> str:
    networks = [recalls[network.name] for network in data.split_results[0].networks]
    means = {
        emotion: sum(intervals[index].value for intervals in networks) / len(networks)
        for index, emotion in enumerate(data.emotions)
    }
    easiest, hardest = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    return (
        f"Over all networks {easiest} is recognised most often ({100 * means[easiest]:.0f} %), {hardest} least often "
        f"({100 * means[hardest]:.0f} %)."
    )


def _compute_recalls(data: ReportData, network: NetworkResult) -> list[Interval]:
    if len(network.counts.speakers) < 2:
        return [Interval(math.nan, math.nan, math.nan) for _ in data.emotions]
    return recall_intervals(network.counts, n_resamples=data.n_resamples)


def _make_matrix(data: ReportData, network: NetworkResult) -> Matrix:
    counts = network.counts.confusions.sum(axis=(0, 1))
    rows = tuple(tuple(map(int, row)) for row in counts)
    return Matrix(f"confusion-{make_file_name(network.name)}", network.name, data.emotions, rows)
