"""What a point of UAR costs: time of an answer, size, time of training."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ser.errors import UserError
from ser.evaluation.speaker_counts import FIGURES
from ser.report.content import Block, Chart, Column, Gallery, Note, Section, Table
from ser.report.latency import CLIP_S, latency_ms
from ser.report.markers import GREY
from ser.report.report_data import ReportData
from ser.report.split_results import NetworkResult, SplitResults, n_parameters, train_seconds
from ser.report.svg import Picture, Point, fit_axis

_COLUMNS = (
    Column("cell", "network"),
    Column("test_uar", "test UAR %", percent=True),
    Column("latency_ms", "latency, ms"),
    Column("n_parameters", "parameters"),
    Column("train_seconds", "training, s", digits=0),
    Column("on_front", "unbeaten in", words=True),
)
_GONE = "the trained weights are no longer on this machine"


@dataclass(frozen=True)
class _Cost:
    """One way to pay: its key, its name on the axis, and what each network pays, None where that is not known."""

    key: str
    title: str
    of: dict[str, float | None]


def section(study: ReportData) -> Section:
    """For each cost the networks that none beats in both, as pictures and as a table."""
    board = study.boards[0]
    uar = {line.name: line.counts.figure(FIGURES["uar"]) for line in board.networks}
    answered = {line.name: _latency(study, line) for line in board.networks}
    latency = {name: None if isinstance(found, str) else found for name, found in answered.items()}
    costs = (
        _Cost("latency", "latency of one clip, ms", latency),
        _Cost("parameters", "parameters", {line.name: n_parameters(line) for line in board.networks}),
        _Cost("training", "training, s", {line.name: train_seconds(line) for line in board.networks}),
    )
    fronts = {cost.key: _front(uar, cost) for cost in costs}
    charts = tuple(_chart(study, uar, cost, fronts[cost.key]) for cost in costs if fronts[cost.key])
    caption = f"Test UAR against cost, {board.title}. Dashed: the networks that no other beats in both."
    blocks: list[Block] = [Gallery(caption, charts, tuple((name, study.marks[name]) for name in uar))]
    blocks.append(_table(board, latency, fronts))
    for why in dict.fromkeys(found for found in answered.values() if isinstance(found, str)):
        names = [name for name, found in answered.items() if found == why]
        blocks.append(Note(f"No latency of {', '.join(names)}: {why}."))
    everywhere = [name for name in uar if all(name in front for front in fronts.values() if front)]
    lead = (
        f"{', '.join(everywhere) or 'No network'} {'is' if len(everywhere) < 2 else 'are'} beaten by no other in UAR "
        "and cost at once, whichever cost counts: latency, parameters or time of training."
    )
    return Section("costs", "What it costs", lead, tuple(blocks))


def _latency(study: ReportData, line: NetworkResult) -> float | str:
    """In milliseconds; or why there is none."""
    best = study.record.best_of_cell(line.name)
    if best is None or best.ended is None:
        return _GONE
    try:
        return latency_ms(Path(best.ended.bundle))
    except OSError:
        return _GONE
    except UserError as error:
        return str(error)


def _front(uar: dict[str, float], cost: _Cost) -> list[str]:
    """Names of the networks that none beats, cheapest first."""
    paid = {name: value for name, value in cost.of.items() if value is not None and value > 0}
    front: list[str] = []
    for name in sorted(paid, key=lambda name: (paid[name], -uar[name])):
        if not front or uar[name] > uar[front[-1]]:
            front.append(name)
    return front


def _chart(study: ReportData, uar: dict[str, float], cost: _Cost, front: Sequence[str]) -> Chart:
    points: dict[str, Point] = {name: (value, uar[name]) for name, value in cost.of.items() if value}
    x = fit_axis(cost.title, [point[0] for point in points.values()], log=True)
    picture = Picture(x, fit_axis("test UAR, %", [point[1] for point in points.values()], percent=True))
    picture.line([points[name] for name in front], colour=GREY, width=1.2, dash="4 4")
    for name, point in points.items():
        picture.mark(point, study.marks[name], title=f"{name}: {point[0]:,.4g}, {100 * point[1]:.1f} %")
    for name in front:
        picture.text(points[name], name, above=True)
    description = f"Test UAR against {cost.title}; unbeaten in both: {', '.join(front)}"
    return Chart(cost.title, description, picture.svg(description))


def _table(board: SplitResults, latency: dict[str, float | None], fronts: dict[str, list[str]]) -> Table:
    rows = tuple(
        (
            line.name,
            line.counts.figure(FIGURES["uar"]),
            latency[line.name],
            n_parameters(line),
            train_seconds(line),
            ", ".join(key for key, front in fronts.items() if line.name in front) or "–",
        )
        for line in board.networks
    )
    caption = (
        f"Latency: median of single answers to a clip of {CLIP_S} s, features included, in one thread, on the machine "
        "that made this report. Training: mean time of a run, on as many cores as the plan gives a trial."
    )
    return Table("costs", caption, _COLUMNS, rows)
