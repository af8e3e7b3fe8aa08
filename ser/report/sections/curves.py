"""Learning curves: the trials of each cell, epoch by epoch."""

from ser.report.content import Chart, Gallery, Section
from ser.report.report_data import ReportData
from ser.report.svg import Axis, Picture, fit_axis
from ser.sweep.journal import Reported
from ser.sweep.state import SweepTrial

_MOST_TRIALS = 40
_PALE = "#c3c8d2"


def section(study: ReportData) -> Section:
    """For each network the validation UAR of its trials, the chosen one on top."""
    shown = {
        cell: [trial for trial in study.record.search_trials(cell) if trial.key in study.reports]
        for cell in study.cells
    }
    values = [
        report.metrics["val_uar"] for trials in shown.values() for trial in trials for report in _of(study, trial)
    ]
    longest = max(trial.n_epochs for trials in shown.values() for trial in trials)
    axes = Axis("epoch", 0, max(longest, 2)), fit_axis("validation UAR, %", [0.0, *values], percent=True)
    charts = tuple(_chart(study, cell, trials, axes) for cell, trials in shown.items() if trials)
    caption = (
        "Validation UAR of every trial of the search by epoch; the coloured line is the trial that was chosen, grey "
        "ones are the others, which end early where halving stopped them."
    )
    lead = _lead(study)
    if any(len(trials) > _MOST_TRIALS for trials in shown.values()):
        caption += f" Of more than {_MOST_TRIALS} trials of a network as many are shown, evenly spread."
    return Section("curves", "Learning curves", lead, (Gallery(caption, charts),))


def _lead(study: ReportData) -> str:
    best = [trial for trial in map(study.record.best_of_cell, study.cells) if trial is not None]
    at_end = [trial.key.cell for trial in best if trial.best is not None and trial.best.epoch == trial.n_epochs]
    if not at_end:
        return "The chosen trial of every network had passed its best epoch when it ended."
    return (
        f"{', '.join(at_end)} {'was' if len(at_end) == 1 else 'were'} best in the very last epoch: more epochs might "
        "have helped."
    )


def _of(study: ReportData, trial: SweepTrial) -> list[Reported]:
    return study.reports[trial.key]


def _chart(study: ReportData, cell: str, trials: list[SweepTrial], axes: tuple[Axis, Axis]) -> Chart:
    chosen = study.record.best_of_cell(cell)
    picture = Picture(*axes)
    for trial in trials[:: len(trials) // _MOST_TRIALS + 1]:
        if trial is not chosen:
            picture.line(_points(study, trial), colour=_PALE, width=1.2)
    description = f"{cell}: validation UAR by epoch of {len(trials)} trials"
    if chosen is not None and chosen.best is not None:
        mark = study.marks[cell]
        picture.line(_points(study, chosen), colour=mark.colour, width=2.4)
        best = chosen.best
        said = f"trial {chosen.key.number:03d}, epoch {best.epoch}: {100 * best.metrics['val_uar']:.1f} %"
        picture.mark((best.epoch, best.metrics["val_uar"]), mark, title=said)
        description += f"; the best is {said}"
    return Chart(f"{cell}, {len(trials)} trials", description, picture.svg(description))


def _points(study: ReportData, trial: SweepTrial) -> list[tuple[float, float]]:
    return [(report.epoch, report.metrics["val_uar"]) for report in _of(study, trial)]
