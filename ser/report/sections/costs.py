"""Section on costs: latency, number of parameters and time of training against UAR."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ser.errors import UserError
from ser.evaluation.speaker_counts import FIGURES
from ser.report.content import Block, Chart, Column, Gallery, Note, Section, Table
from ser.report.latency import CLIP_S, measure_latency_ms
from ser.report.markers import GREY
from ser.report.report_data import ReportData
from ser.report.split_results import NetworkResult, SplitResults
from ser.report.svg import Picture, Point, fit_axis

_COLUMNS = (
    Column("cell", "network"),
    Column("test_uar", "test UAR %", percent=True),
    Column("latency_ms", "latency, ms"),
    Column("n_parameters", "parameters"),
    Column("train_seconds", "training, s", digits=0),
    Column("on_front", "unbeaten in", is_text=True),
)
_NO_WEIGHTS = "the trained weights are no longer on this machine"


@dataclass(frozen=True)
class _Cost:
    """One kind of cost with its value for each network, None if it is not known."""

    key: str
    title: str
    by_network: dict[str, float | None]


def build_section(data: ReportData) -> Section:
    """Build charts and a table of the Pareto front of UAR against each cost."""
    results = data.split_results[0]
    uar = {network.name: network.counts.figure(FIGURES["uar"]) for network in results.networks}
    measured = {network.name: _measure_latency(data, network) for network in results.networks}
    latency = {name: None if isinstance(value, str) else value for name, value in measured.items()}
    costs = (
        _Cost("latency", "latency of one clip, ms", latency),
        _Cost("parameters", "parameters", {network.name: network.n_parameters for network in results.networks}),
        _Cost("training", "training, s", {network.name: network.train_seconds for network in results.networks}),
    )
    fronts = {cost.key: _find_front(uar, cost) for cost in costs}
    charts = tuple(_draw_chart(data, uar, cost, fronts[cost.key]) for cost in costs if fronts[cost.key])
    caption = (
        f"Test UAR against cost, {results.title}. Dashed: networks that no other network beats in both (Pareto front)."
    )
    blocks: list[Block] = [Gallery(caption, charts, tuple((name, data.markers[name]) for name in uar))]
    blocks.append(_make_table(results, latency, fronts))
    for problem in dict.fromkeys(value for value in measured.values() if isinstance(value, str)):
        names = [name for name, value in measured.items() if value == problem]
        blocks.append(Note(f"Latency of {', '.join(names)} was not measured: {problem}."))
    everywhere = [name for name in uar if all(name in front for front in fronts.values() if front)]
    lead = (
        f"{', '.join(everywhere) or 'No network'} {'is' if len(everywhere) < 2 else 'are'} on the Pareto front of UAR "
        "for every cost: latency, parameters and time of training."
    )
    return Section("costs", "Costs", lead, tuple(blocks))


def _measure_latency(data: ReportData, network: NetworkResult) -> float | str:
    """Measure the latency in milliseconds, or return the problem."""
    best = data.record.best_of_cell(network.name)
    if best is None or best.ended is None:
        return _NO_WEIGHTS
    try:
        return measure_latency_ms(Path(best.ended.bundle))
    except OSError:
        return _NO_WEIGHTS
    except UserError as error:
        return str(error)


def _find_front(uar: dict[str, float], cost: _Cost) -> list[str]:
    """Find the networks that no other beats in UAR and cost, cheapest first."""
    known = {name: value for name, value in cost.by_network.items() if value is not None and value > 0}
    front: list[str] = []
    for name in sorted(known, key=lambda name: (known[name], -uar[name])):
        if not front or uar[name] > uar[front[-1]]:
            front.append(name)
    return front


def _draw_chart(data: ReportData, uar: dict[str, float], cost: _Cost, front: Sequence[str]) -> Chart:
    points: dict[str, Point] = {name: (value, uar[name]) for name, value in cost.by_network.items() if value}
    x = fit_axis(cost.title, [point[0] for point in points.values()], log=True)
    picture = Picture(x, fit_axis("test UAR, %", [point[1] for point in points.values()], percent=True))
    picture.line([points[name] for name in front], colour=GREY, width=1.2, dash="4 4")
    for name, point in points.items():
        picture.mark(point, data.markers[name], title=f"{name}: {point[0]:,.4g}, {100 * point[1]:.1f} %")
    for name in front:
        picture.text(points[name], name, above=True)
    description = f"Test UAR against {cost.title}; unbeaten in both: {', '.join(front)}"
    return Chart(cost.title, description, picture.svg(description))


def _make_table(results: SplitResults, latency: dict[str, float | None], fronts: dict[str, list[str]]) -> Table:
    rows = tuple(
        (
            network.name,
            network.counts.figure(FIGURES["uar"]),
            latency[network.name],
            network.n_parameters,
            network.train_seconds,
            ", ".join(key for key, front in fronts.items() if network.name in front) or "–",
        )
        for network in results.networks
    )
    caption = (
        f"Latency: median over single predictions of a clip of {CLIP_S} s, features included, in one thread, on the "
        "machine that made this report. Training: mean time of a run, on the cores that the plan gives a trial."
    )
    return Table("costs", caption, _COLUMNS, rows)
