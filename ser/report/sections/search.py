"""Section on the search: searched settings, their importance, and the selected values."""

from collections import Counter
from collections.abc import Sequence

from ser.report.content import Block, Chart, Column, Gallery, Note, Section, Table, Value
from ser.report.importance import FEWEST_TRIALS, Importance, Outcome, estimate_importance
from ser.report.markers import Marker
from ser.report.report_data import ReportData
from ser.report.svg import Picture, fit_axis
from ser.settings.ranges import Floats, Ints
from ser.sweep.state import SweepTrial

_MOST_CHARTS = 3
_TITLE = "Searched settings and their importance"
_COLUMNS = (
    Column("setting", "setting"),
    Column("cells", "networks"),
    Column("tried", "tried", is_text=True),
    Column("importance", "importance", digits=3),
)


def build_section(data: ReportData) -> Section:
    """Build a table of searched settings with their importance, charts of the leading ones, and the selected values."""
    trials = [trial for cell in data.cells for trial in data.record.search_trials(cell) if trial.best is not None]
    outcomes = [Outcome(trial.key.cell, trial.asked.searched, _get_score(trial)) for trial in trials]
    importance = estimate_importance(outcomes)
    blocks: list[Block] = []
    if importance is None:
        blocks.append(
            Note(
                f"{len(trials)} trials are too few to estimate the importance of settings: at least {FEWEST_TRIALS} "
                "are needed, a few dozen are useful."
            )
        )
    blocks.append(_make_importance_table(trials, importance))
    if importance is not None:
        charts = tuple(_draw_charts(data, trials, importance))
        blocks.append(Gallery("The most important settings.", charts, _make_legend(data)))
    blocks.append(_make_selection_table(data))
    return Section("search", _TITLE, _summarize(data, importance), tuple(blocks))


def _get_score(trial: SweepTrial) -> float:
    assert trial.best is not None
    return trial.best.metrics["val_uar"]


def _summarize(data: ReportData, importance: Importance | None) -> str:
    counts = Counter(trial.outcome for cell in data.cells for trial in data.record.search_trials(cell))
    outcomes = ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items()))
    text = f"{counts.total()} trials of {len(data.cells)} networks: {outcomes}."
    if importance is None:
        return text
    explained = importance.explained
    if explained <= 0:
        return f"{text} Their settings do not explain the differences between trials of a network (R² {explained:.2f})."
    leading = next(iter(importance.loss_by_setting))
    return (
        f"{text} Their settings explain {100 * explained:.0f} % of the variance between trials of one network; "
        f"{leading} is the most important."
    )


def _make_importance_table(trials: Sequence[SweepTrial], importance: Importance | None) -> Table:
    losses = importance.loss_by_setting if importance else {}
    names = list(losses) or sorted({name for trial in trials for name in trial.asked.searched})
    rows = []
    for name in names:
        listed = _select_trials(trials, name)
        cells = {trial.key.cell for trial in listed}
        rows.append((name, len(cells), _describe_values(listed, name), losses.get(name)))
    caption = (
        "Searched settings. Importance: decrease of the explained variance (R²) of the best validation UAR within a "
        "network when the setting is permuted among held-out trials; near 0 it has no influence, or there are too few "
        "trials. Pruned trials count with the best UAR that they reached."
    )
    return Table("importance", caption, _COLUMNS, tuple(rows))


def _describe_values(trials: Sequence[SweepTrial], name: str) -> str:
    values = [trial.asked.searched[name] for trial in trials]
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == len(values) and len(set(numbers)) > 3:
        return f"{min(numbers):.3g} to {max(numbers):.3g}"
    return ", ".join(sorted({_format_value(value) for value in values}))


def _format_value(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _select_trials(trials: Sequence[SweepTrial], name: str) -> list[SweepTrial]:
    """Select the trials that searched a setting."""
    return [trial for trial in trials if name in trial.asked.searched]


def _draw_charts(data: ReportData, trials: Sequence[SweepTrial], importance: Importance) -> list[Chart]:
    numeric = [name for name in importance.loss_by_setting if _is_numeric(trials, name)]
    return [_draw_chart(data, trials, name) for name in numeric[:_MOST_CHARTS]]


def _draw_chart(data: ReportData, trials: Sequence[SweepTrial], name: str) -> Chart:
    listed = _select_trials(trials, name)
    values = [float(trial.asked.searched[name]) for trial in listed]
    scores = [_get_score(trial) for trial in listed]
    log = getattr(_find_range(listed[0], name), "log", False) and min(values) > 0
    picture = Picture(fit_axis(name, values, log=log), fit_axis("validation UAR, %", scores, percent=True))
    for trial, value, score in zip(listed, values, scores, strict=True):
        title = f"{trial.key.short}: {value:g}, {100 * score:.1f} %"
        picture.mark((value, score), data.markers[trial.key.cell], size=0.75, title=title)
    description = f"Best validation UAR of {len(listed)} trials against {name}"
    return Chart(name, description, picture.svg(description))


def _find_range(trial: SweepTrial, name: str) -> object:
    return trial.experiment.searched()[name]


def _is_numeric(trials: Sequence[SweepTrial], name: str) -> bool:
    listed = _select_trials(trials, name)
    several = len({trial.asked.searched[name] for trial in listed}) > 3
    return several and isinstance(_find_range(listed[0], name), Floats | Ints)


def _make_legend(data: ReportData) -> tuple[tuple[str, Marker], ...]:
    return tuple((cell, data.markers[cell]) for cell in data.cells)


def _make_selection_table(data: ReportData) -> Table:
    best = {cell: data.record.best_of_cell(cell) for cell in data.cells}
    searched = {cell: trial.asked.searched for cell, trial in best.items() if trial is not None}
    names = sorted({name for values in searched.values() for name in values})
    columns = (Column("setting", "setting"), *(Column(cell, cell) for cell in searched))
    rows = tuple(
        (name, *(_format_value(values[name]) if name in values else None for values in searched.values()))
        for name in names
    )
    caption = "Selected values: the searched settings of the trial with the best validation UAR of each network."
    return Table("chosen", caption, columns, rows, collapsed=True)
