"""Section on learning curves of the trials of each cell."""

from ser.report.content import Chart, Gallery, Section
from ser.report.report_data import ReportData
from ser.report.svg import Axis, Picture, fit_axis
from ser.sweep.state import SweepTrial

_MOST_TRIALS = 40
_PALE = "#c3c8d2"


def build_section(data: ReportData) -> Section:
    """Build a chart of the validation UAR by epoch for each network, its best trial highlighted."""
    trials_by_cell = {
        cell: [trial for trial in data.record.search_trials(cell) if trial.key in data.reports] for cell in data.cells
    }
    values = [
        report.metrics["val_uar"]
        for trials in trials_by_cell.values()
        for trial in trials
        for report in data.reports[trial.key]
    ]
    longest = max(trial.n_epochs for trials in trials_by_cell.values() for trial in trials)
    axes = Axis("epoch", 0, max(longest, 2)), fit_axis("validation UAR, %", [0.0, *values], percent=True)
    charts = tuple(_draw_chart(data, cell, trials, axes) for cell, trials in trials_by_cell.items() if trials)
    caption = (
        "Validation UAR of every trial of the search by epoch; the coloured line is the trial with the highest, grey "
        "lines are the others; successive halving stopped those that end early."
    )
    lead = _summarize(data)
    if any(len(trials) > _MOST_TRIALS for trials in trials_by_cell.values()):
        caption += f" Of a network with more than {_MOST_TRIALS} trials at most as many are shown, evenly spaced."
    return Section("curves", "Learning curves", lead, (Gallery(caption, charts),))


def _summarize(data: ReportData) -> str:
    best = [trial for trial in map(data.record.best_of_cell, data.cells) if trial is not None]
    at_end = [trial.key.cell for trial in best if trial.best is not None and trial.best.epoch == trial.n_epochs]
    if not at_end:
        return "The best trial of every network had passed its best epoch when it ended."
    return (
        f"{', '.join(at_end)} {'was' if len(at_end) == 1 else 'were'} best in the very last epoch: more epochs might "
        "have helped."
    )


def _draw_chart(data: ReportData, cell: str, trials: list[SweepTrial], axes: tuple[Axis, Axis]) -> Chart:
    best_trial = data.record.best_of_cell(cell)
    picture = Picture(*axes)
    for trial in trials[:: len(trials) // _MOST_TRIALS + 1]:
        if trial is not best_trial:
            picture.line(_list_points(data, trial), colour=_PALE, width=1.2)
    description = f"{cell}: validation UAR by epoch of {len(trials)} trials"
    if best_trial is not None and best_trial.best is not None:
        marker = data.markers[cell]
        picture.line(_list_points(data, best_trial), colour=marker.colour, width=2.4)
        best = best_trial.best
        title = f"trial {best_trial.key.number:03d}, epoch {best.epoch}: {100 * best.metrics['val_uar']:.1f} %"
        picture.mark((best.epoch, best.metrics["val_uar"]), marker, title=title)
        description += f"; the best is {title}"
    return Chart(f"{cell}, {len(trials)} trials", description, picture.svg(description))


def _list_points(data: ReportData, trial: SweepTrial) -> list[tuple[float, float]]:
    return [(report.epoch, report.metrics["val_uar"]) for report in data.reports[trial.key]]
