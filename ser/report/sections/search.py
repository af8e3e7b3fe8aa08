"""What was searched, and what of it mattered."""

from collections import Counter
from collections.abc import Sequence

from ser.report.content import Block, Chart, Column, Gallery, Note, Section, Table, Value
from ser.report.importance import FEWEST_TRIALS, Importance, Outcome, importance
from ser.report.markers import Marker
from ser.report.report_data import ReportData
from ser.report.svg import Picture, fit_axis
from ser.settings.ranges import Floats, Ints
from ser.sweep.state import SweepTrial

_MOST_PICTURES = 3
_TITLE = "What was searched, and what mattered"
_COLUMNS = (
    Column("setting", "setting"),
    Column("cells", "networks"),
    Column("tried", "tried", words=True),
    Column("importance", "importance", digits=3),
)


def section(study: ReportData) -> Section:
    """Every searched setting with its importance, pictures of the leading ones, and what was chosen."""
    trials = [trial for cell in study.cells for trial in study.record.search_trials(cell) if trial.best is not None]
    outcomes = [Outcome(trial.key.cell, trial.asked.searched, _score(trial)) for trial in trials]
    found = importance(outcomes)
    blocks: list[Block] = []
    if found is None:
        blocks.append(
            Note(
                f"{len(trials)} trials are too few to say which settings mattered: it takes at least {FEWEST_TRIALS}, "
                "and a few dozen to be of use."
            )
        )
    blocks.append(_table(trials, found))
    if found is not None:
        blocks.append(Gallery("The settings that matter most.", tuple(_pictures(study, trials, found)), _legend(study)))
    blocks.append(_chosen(study))
    return Section("search", _TITLE, _lead(study, found), tuple(blocks))


def _score(trial: SweepTrial) -> float:
    assert trial.best is not None
    return trial.best.metrics["val_uar"]


def _lead(study: ReportData, found: Importance | None) -> str:
    counts = Counter(trial.outcome for cell in study.cells for trial in study.record.search_trials(cell))
    outcomes = ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items()))
    text = f"{counts.total()} trials of {len(study.cells)} networks: {outcomes}."
    if found is None:
        return text
    if found.explained <= 0:
        return f"{text} Their settings do not explain which trials of a network did better (R² {found.explained:.2f})."
    leading = next(iter(found.lost))
    return (
        f"{text} Their settings explain {100 * found.explained:.0f} % of the differences between trials of one "
        f"network; {leading} matters most."
    )


def _table(trials: Sequence[SweepTrial], found: Importance | None) -> Table:
    names = list(found.lost) if found else sorted({name for trial in trials for name in trial.asked.searched})
    rows = []
    for name in names:
        having = [trial for trial in trials if name in trial.asked.searched]
        cells = sorted({trial.key.cell for trial in having})
        rows.append((name, len(cells), _tried(having, name), found.lost[name] if found else None))
    caption = (
        "Searched settings. Importance: how much of the explained variance (R²) of the best validation UAR within a "
        "network is lost when the setting is exchanged among trials that the model has not seen; near 0 it does not "
        "matter, or too few trials tell. Pruned trials count with the best that they reached."
    )
    return Table("importance", caption, _COLUMNS, tuple(rows))


def _tried(trials: Sequence[SweepTrial], name: str) -> str:
    values = [trial.asked.searched[name] for trial in trials]
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == len(values) and len(set(numbers)) > 3:
        return f"{min(numbers):.3g} to {max(numbers):.3g}"
    return ", ".join(sorted({_text(value) for value in values}))


def _text(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _pictures(study: ReportData, trials: Sequence[SweepTrial], found: Importance) -> list[Chart]:
    numeric = [name for name in found.lost if _is_number(trials, name)]
    return [_picture(study, trials, name) for name in numeric[:_MOST_PICTURES]]


def _picture(study: ReportData, trials: Sequence[SweepTrial], name: str) -> Chart:
    having = [trial for trial in trials if name in trial.asked.searched]
    values = [float(trial.asked.searched[name]) for trial in having]
    scores = [_score(trial) for trial in having]
    log = getattr(_range(having[0], name), "log", False) and min(values) > 0
    picture = Picture(fit_axis(name, values, log=log), fit_axis("validation UAR, %", scores, percent=True))
    for trial, value, score in zip(having, values, scores, strict=True):
        said = f"{trial.key.short}: {value:g}, {100 * score:.1f} %"
        picture.mark((value, score), study.marks[trial.key.cell], size=0.75, title=said)
    description = f"Best validation UAR of {len(having)} trials against {name}"
    return Chart(name, description, picture.svg(description))


def _range(trial: SweepTrial, name: str) -> object:
    return trial.experiment.searched()[name]


def _is_number(trials: Sequence[SweepTrial], name: str) -> bool:
    having = [trial for trial in trials if name in trial.asked.searched]
    several = len({trial.asked.searched[name] for trial in having}) > 3
    return several and isinstance(_range(having[0], name), Floats | Ints)


def _legend(study: ReportData) -> tuple[tuple[str, Marker], ...]:
    return tuple((cell, study.marks[cell]) for cell in study.cells)


def _chosen(study: ReportData) -> Table:
    best = {cell: study.record.best_of_cell(cell) for cell in study.cells}
    searched = {cell: trial.asked.searched for cell, trial in best.items() if trial is not None}
    names = sorted({name for values in searched.values() for name in values})
    columns = (Column("setting", "setting"), *(Column(cell, cell) for cell in searched))
    rows = tuple(
        (name, *(_text(values[name]) if name in values else None for values in searched.values())) for name in names
    )
    caption = "What was chosen: the searched settings of the trial with the best validation UAR of each network."
    return Table("chosen", caption, columns, rows, folded=True)
