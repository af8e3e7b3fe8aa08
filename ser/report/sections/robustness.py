"""Section on robustness: test UAR in noise, with other voices and over a telephone."""

from collections import defaultdict

from ser.errors import UserError
from ser.evaluation.bootstrap import Interval
from ser.evaluation.perturbations import CONDITIONS, SNRS_DB, Condition, Kind
from ser.evaluation.robustness import ROBUSTNESS_FILE, PerturbedPrediction, read_robustness
from ser.evaluation.speaker_counts import SpeakerCounts, count_by_speaker
from ser.report.content import Block, Chart, Column, Gallery, Note, Section, Table
from ser.report.report_data import ReportData
from ser.report.svg import Axis, Picture, Point, fit_axis

_TITLE = "In noise"
_CLEAN = Condition("clean")
# Level at which charts show the clean clip: left of the quietest noise, which is at -20 dB.
_CLEAN_DB = -26.0
_NOISES: dict[Kind, str] = {"white": "white noise", "babble": "babble of other speakers"}

RobustnessScores = dict[str, dict[Condition, Interval]]
"""Test UAR by network and condition."""


def build_section(data: ReportData) -> Section:
    """Build charts of the test UAR of each network over the level of the noise, and a table by condition."""
    try:
        predictions, outdated = _keep_current(data, read_robustness(data.folder / ROBUSTNESS_FILE))
    except UserError as error:
        return Section("noise", _TITLE, "Omitted.", (Note(str(error)),))
    command = f"python tune/measure_robustness.py --sweep {data.record.name}"
    if not predictions:
        note = Note(f"{command} measures it on the test clips.")
        return Section("noise", _TITLE, "Not measured in this sweep.", (note,))
    scores = _compute_scores(data, predictions)
    n_clips = len({prediction.clip for prediction in predictions})
    gallery = Gallery(
        f"Test UAR by the level of the noise, {n_clips:,} test clips. The first marker of each line is the clean clip.",
        tuple(_draw_chart(data, scores, kind) for kind in _NOISES),
        tuple((cell, data.markers[cell]) for cell in scores),
    )
    blocks: list[Block] = [gallery, _make_table(scores, n_clips)]
    if outdated:
        names = ", ".join(outdated)
        blocks.append(Note(f"Not measured for {names}, of which another trial is best now: run {command}."))
    return Section("noise", _TITLE, _summarize(scores), tuple(blocks))


def _keep_current(
    data: ReportData, predictions: list[PerturbedPrediction]
) -> tuple[list[PerturbedPrediction], list[str]]:
    """Keep predictions of the best trial of each cell, and list the cells with predictions of other trials only."""
    best = {cell: trial.key.number for cell in data.cells if (trial := data.record.best_of_cell(cell))}
    current = [prediction for prediction in predictions if best.get(prediction.cell) == prediction.trial]
    cells = {prediction.cell for prediction in current}
    return current, sorted({prediction.cell for prediction in predictions} - cells)


def _compute_scores(data: ReportData, predictions: list[PerturbedPrediction]) -> RobustnessScores:
    groups: dict[str, dict[Condition, list[PerturbedPrediction]]] = defaultdict(lambda: defaultdict(list))
    for prediction in predictions:
        groups[prediction.cell][prediction.condition].append(prediction)
    scores = {
        cell: {
            condition: data.interval(_count_predictions(data, listed), "uar")
            for condition, listed in conditions.items()
        }
        for cell, conditions in groups.items()
    }
    return {cell: scores[cell] for cell in data.cells if _CLEAN in scores.get(cell, {})}


def _count_predictions(data: ReportData, predictions: list[PerturbedPrediction]) -> SpeakerCounts:
    classes = {emotion: index for index, emotion in enumerate(data.emotions)}
    return count_by_speaker(
        [prediction.speaker for prediction in predictions],
        [classes[prediction.truth] for prediction in predictions],
        [classes[prediction.prediction] for prediction in predictions],
        n_classes=len(classes),
        repeats=[prediction.trial for prediction in predictions],
    )


def _summarize(scores: RobustnessScores) -> str:
    loudest = Condition("babble", min(SNRS_DB))
    in_babble = {cell: values[loudest].value for cell, values in scores.items() if loudest in values}
    if not in_babble:
        return "Measured in part."
    best = max(in_babble, key=in_babble.__getitem__)
    clean = scores[best][_CLEAN].value
    return (
        f"With other voices as loud as the speaker {best} has the highest test UAR, {100 * in_babble[best]:.1f} % "
        f"against {100 * clean:.1f} % on clean clips."
    )


def _draw_chart(data: ReportData, scores: RobustnessScores, kind: Kind) -> Chart:
    values = [interval.value for conditions in scores.values() for interval in conditions.values()]
    loudest = -min(SNRS_DB)
    x = Axis("noise against speech, dB", _CLEAN_DB - 2, loudest + 2)
    picture = Picture(x, fit_axis("test UAR, %", values, percent=True))
    for cell, conditions in scores.items():
        marker = data.markers[cell]
        points = [(_CLEAN_DB, conditions[_CLEAN].value), *_list_points(conditions, kind)]
        picture.line(points, colour=marker.colour, width=1.8, dash="" if marker.filled else "5 3")
        for point in points:
            picture.mark(point, marker, size=0.8, title=f"{cell}: {100 * point[1]:.1f} %")
    description = f"Test UAR of {len(scores)} networks in {_NOISES[kind]}, from none to {loudest:g} dB against speech"
    return Chart(_NOISES[kind], description, picture.svg(description))


def _list_points(conditions: dict[Condition, Interval], kind: Kind) -> list[Point]:
    by_level = {snr: conditions.get(Condition(kind, snr)) for snr in SNRS_DB}
    return [(-snr, interval.value) for snr, interval in by_level.items() if interval is not None]


def _make_table(scores: RobustnessScores, n_clips: int) -> Table:
    measured = [condition for condition in CONDITIONS if any(condition in values for values in scores.values())]
    columns = (
        Column("cell", "network"),
        *(Column(condition.name.replace(" ", "_"), f"{condition.name} %", percent=True) for condition in measured),
    )
    rows = tuple((cell, *(values.get(condition) for condition in measured)) for cell, values in scores.items())
    caption = (
        f"Test UAR with 95 % intervals over speakers, {n_clips:,} test clips, by condition: white noise or babble at "
        "a signal-to-noise ratio, or the band and codec of a telephone. The networks were trained on clean clips."
    )
    return Table("noise", caption, columns, rows)
