"""Section on calibration: agreement of predicted probabilities and accuracy."""

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


def build_section(data: ReportData) -> Section:
    """Build a table of calibration error and Brier score, and a reliability curve for each network."""
    results = data.split_results[0]
    rows = tuple((network.name, *_compute_scores(network)) for network in results.networks)
    caption = (
        f"{results.title[0].upper()}{results.title[1:]}. ECE: expected calibration error over {N_BINS} bins of equal "
        "width of the highest probability. Brier score: squared error over all classes, 0 to 2. Both are best at 0."
    )
    best, worst = min(rows, key=lambda row: row[1]), max(rows, key=lambda row: row[1])
    lead = (
        "Mean difference of the highest probability and the share of correct predictions: smallest for "
        f"{best[0]} ({100 * best[1]:.1f} points), largest for {worst[0]} ({100 * worst[1]:.1f})."
    )
    gallery = Gallery(
        "Share correct by highest probability; equal on the dashed line. Grey bars: number of predictions.",
        tuple(_draw_curve(data, network) for network in results.networks),
    )
    return Section("calibration", "Calibration", lead, (Table("calibration", caption, _COLUMNS, rows), gallery))


def _compute_scores(network: NetworkResult) -> tuple[float, float]:
    probabilities, truth = network.predictions.probabilities, network.predictions.truth
    return expected_calibration_error(probabilities, truth), brier_score(probabilities, truth)


def _draw_curve(data: ReportData, network: NetworkResult) -> Chart:
    bins = reliability_curve(network.predictions.probabilities, network.predictions.truth)
    axes = Axis("highest probability, %", 0, 1, percent=True), Axis("correct, %", 0, 1, percent=True)
    picture = Picture(*axes)
    most = max(part.n_clips for part in bins)
    for part in bins:
        picture.bar((part.low, 0), (part.high, 0.25 * part.n_clips / most), colour="#e3e6ec")
    picture.line([(0, 0), (1, 1)], colour=GREY, width=1.2, dash="4 4")
    marker = data.markers[network.name]
    picture.line([(part.confidence, part.accuracy) for part in bins], colour=marker.colour)
    for part in bins:
        title = f"{part.n_clips:,} predictions: {100 * part.confidence:.0f} % sure, {100 * part.accuracy:.0f} % correct"
        picture.mark((part.confidence, part.accuracy), marker, size=0.8, title=title)
    description = (
        f"Reliability curve of {network.name}: share correct against highest probability in {len(bins)} bins; dashed: "
        "perfect; grey bars: number of predictions."
    )
    return Chart(network.name, description, picture.svg(description))
