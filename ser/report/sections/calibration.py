"""Do the probabilities mean what they say?"""

from ser.evaluation.calibration import N_BINS, brier_score, expected_calibration_error, reliability_curve
from ser.report.content import Chart, Column, Gallery, Section, Table
from ser.report.markers import GREY
from ser.report.report_data import ReportData
from ser.report.split_results import NetworkResult
from ser.report.svg import Axis, Picture

_COLUMNS = (
    Column("cell", "network"),
    Column("ece", "ECE %", percent=True),
    Column("brier", "Brier score", digits=3),
)


def section(study: ReportData) -> Section:
    """Calibration error and Brier score, and a reliability curve for each network."""
    board = study.boards[0]
    rows = tuple((line.name, *_figures(line)) for line in board.networks)
    caption = (
        f"{board.title[0].upper()}{board.title[1:]}. ECE: expected calibration error over {N_BINS} bins of equal width "
        "of the highest probability. Brier score: squared error over all classes, from 0 to 2. Both are best at 0."
    )
    best, worst = min(rows, key=lambda row: row[1]), max(rows, key=lambda row: row[1])
    lead = (
        "How far the highest probability is from the share correct: least for "
        f"{best[0]} ({100 * best[1]:.1f} points on average), most for {worst[0]} ({100 * worst[1]:.1f})."
    )
    gallery = Gallery(
        "Share correct by highest probability: on the dashed line they are equal. Grey bars: how many predictions.",
        tuple(_curve(study, line) for line in board.networks),
    )
    return Section("calibration", "Calibration", lead, (Table("calibration", caption, _COLUMNS, rows), gallery))


def _figures(line: NetworkResult) -> tuple[float, float]:
    given = line.predictions
    return expected_calibration_error(given.probabilities, given.truth), brier_score(given.probabilities, given.truth)


def _curve(study: ReportData, line: NetworkResult) -> Chart:
    bins = reliability_curve(line.predictions.probabilities, line.predictions.truth)
    axes = Axis("highest probability, %", 0, 1, percent=True), Axis("correct, %", 0, 1, percent=True)
    picture = Picture(*axes)
    most = max(part.n_clips for part in bins)
    for part in bins:
        picture.bar((part.low, 0), (part.high, 0.25 * part.n_clips / most), colour="#e3e6ec")
    picture.line([(0, 0), (1, 1)], colour=GREY, width=1.2, dash="4 4")
    mark = study.marks[line.name]
    picture.line([(part.confidence, part.accuracy) for part in bins], colour=mark.colour)
    for part in bins:
        said = f"{part.n_clips:,} predictions: {100 * part.confidence:.0f} % sure, {100 * part.accuracy:.0f} % correct"
        picture.mark((part.confidence, part.accuracy), mark, size=0.8, title=said)
    description = (
        f"Reliability curve of {line.name}: share correct against highest probability in {len(bins)} bins; dashed: "
        "perfect; grey bars: how many predictions."
    )
    return Chart(line.name, description, picture.svg(description))
