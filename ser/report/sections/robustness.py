"""What is left of the figures in noise, among other voices and over a telephone."""

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
# Where pictures show the clean clip: left of the quietest noise, which is at -20 dB.
_CLEAN_DB = -26.0
_NOISES: dict[Kind, str] = {"white": "white noise", "babble": "babble of other speakers"}

Heard = dict[str, dict[Condition, Interval]]


def section(study: ReportData) -> Section:
    """Test UAR of each network by condition: curves over the level of the noise, and a table."""
    try:
        answers, stale = _current(study, read_robustness(study.folder / ROBUSTNESS_FILE))
    except UserError as error:
        return Section("noise", _TITLE, "Not shown.", (Note(str(error)),))
    how = f"python tune/measure_robustness.py --sweep {study.record.name}"
    if not answers:
        return Section("noise", _TITLE, "Not measured in this sweep.", (Note(f"{how} measures it on the test clips."),))
    heard = _heard(study, answers)
    n_clips = len({answer.clip for answer in answers})
    gallery = Gallery(
        f"Test UAR by the level of the noise, {n_clips:,} test clips. The first mark of each line is the clean clip.",
        tuple(_chart(study, heard, kind) for kind in _NOISES),
        tuple((cell, study.marks[cell]) for cell in heard),
    )
    blocks: list[Block] = [gallery, _table(heard, n_clips)]
    if stale:
        blocks.append(Note(f"Not measured for {', '.join(stale)}, of which another trial is best now: {how} does."))
    return Section("noise", _TITLE, _lead(heard), tuple(blocks))


def _current(study: ReportData, answers: list[PerturbedPrediction]) -> tuple[list[PerturbedPrediction], list[str]]:
    """Answers of the trials that are the best of their cells now, and the cells that have answers of others alone."""
    best = {cell: trial.key.number for cell in study.cells if (trial := study.record.best_of_cell(cell))}
    current = [answer for answer in answers if best.get(answer.cell) == answer.trial]
    return current, sorted({answer.cell for answer in answers} - {answer.cell for answer in current})


def _heard(study: ReportData, answers: list[PerturbedPrediction]) -> Heard:
    groups: dict[str, dict[Condition, list[PerturbedPrediction]]] = defaultdict(lambda: defaultdict(list))
    for answer in answers:
        groups[answer.cell][answer.condition].append(answer)
    heard = {
        cell: {condition: study.interval(_counts(study, given), "uar") for condition, given in conditions.items()}
        for cell, conditions in groups.items()
    }
    return {cell: heard[cell] for cell in study.cells if _CLEAN in heard.get(cell, {})}


def _counts(study: ReportData, answers: list[PerturbedPrediction]) -> SpeakerCounts:
    place = {emotion: at for at, emotion in enumerate(study.emotions)}
    return count_by_speaker(
        [answer.speaker for answer in answers],
        [place[answer.truth] for answer in answers],
        [place[answer.prediction] for answer in answers],
        n_classes=len(place),
        repeats=[answer.trial for answer in answers],
    )


def _lead(heard: Heard) -> str:
    loudest = Condition("babble", min(SNRS_DB))
    left = {cell: values[loudest].value for cell, values in heard.items() if loudest in values}
    if not left:
        return "Measured in part."
    best = max(left, key=left.__getitem__)
    clean = heard[best][_CLEAN].value
    return (
        f"Where other voices are as loud as the speaker, {best} keeps most: test UAR {100 * left[best]:.1f} % against "
        f"{100 * clean:.1f} % without them."
    )


def _chart(study: ReportData, heard: Heard, kind: Kind) -> Chart:
    values = [each.value for conditions in heard.values() for each in conditions.values()]
    loudest = -min(SNRS_DB)
    x = Axis("noise against speech, dB", _CLEAN_DB - 2, loudest + 2)
    picture = Picture(x, fit_axis("test UAR, %", values, percent=True))
    for cell, conditions in heard.items():
        mark = study.marks[cell]
        points = [(_CLEAN_DB, conditions[_CLEAN].value), *_curve(conditions, kind)]
        picture.line(points, colour=mark.colour, width=1.8, dash="" if mark.filled else "5 3")
        for point in points:
            picture.mark(point, mark, size=0.8, title=f"{cell}: {100 * point[1]:.1f} %")
    description = f"Test UAR of {len(heard)} networks in {_NOISES[kind]}, from none to {loudest:g} dB against speech"
    return Chart(_NOISES[kind], description, picture.svg(description))


def _curve(conditions: dict[Condition, Interval], kind: Kind) -> list[Point]:
    at = {snr: conditions.get(Condition(kind, snr)) for snr in SNRS_DB}
    return [(-snr, each.value) for snr, each in at.items() if each is not None]


def _table(heard: Heard, n_clips: int) -> Table:
    there = [condition for condition in CONDITIONS if any(condition in values for values in heard.values())]
    columns = (
        Column("cell", "network"),
        *(Column(condition.name.replace(" ", "_"), f"{condition.name} %", percent=True) for condition in there),
    )
    rows = tuple((cell, *(values.get(condition) for condition in there)) for cell, values in heard.items())
    caption = (
        f"Test UAR with 95 % intervals over speakers, {n_clips:,} test clips, by what is added to them: white noise or "
        "babble at a signal-to-noise ratio, or the band and code of a telephone. Trained was on clean clips."
    )
    return Table("noise", caption, columns, rows)
