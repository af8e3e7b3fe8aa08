"""Section on an ablation: the variants against the baseline."""

import math
from collections import defaultdict

from ser.evaluation.significance import ALPHA
from ser.report.ablation import Variant, compare_variants, describe_changes, list_failures
from ser.report.content import Block, Chart, Column, Forest, ForestRow, Gallery, Note, Section, Table, Value
from ser.report.report_data import ReportData, describe_clips
from ser.report.svg import Axis, Picture, Point, fit_axis
from ser.sweep.journal import BASELINE

_PALE, _STRONG = "#9aa2b1", "#0072b2"
_COLUMNS = (
    Column("variant", "variant"),
    Column("changes", "changes", is_text=True),
    Column("val_uar", "validation UAR %", percent=True),
    Column("difference", "against the baseline, points", percent=True),
    Column("p_holm", "p (Holm)", digits=4),
    Column("seed_spread", "± seeds", percent=True),
    Column("seeds", "seeds"),
    Column("n_parameters", "parameters"),
    Column("train_seconds", "s a training", digits=0),
    Column("cell", "cell", csv_only=True),
    Column("split", "split", csv_only=True),
)


def build_section(data: ReportData) -> Section:
    """Build a forest plot of the differences, their table, and learning curves for each cell."""
    variants = compare_variants(data.record, n_resamples=data.n_resamples)
    groups: dict[tuple[str, str], list[Variant]] = defaultdict(list)
    for variant in variants:
        groups[variant.cell, variant.split].append(variant)
    blocks: list[Block] = [block for listed in groups.values() for block in _build_blocks(data, listed)]
    planned = {(t.key.cell, t.split.name, t.asked.variant) for t in data.record.ablation_trials()}
    missing = sorted(planned - {(variant.cell, variant.split, variant.name) for variant in variants})
    if missing:
        names = ", ".join(f"{name} ({cell}, {split})" for cell, split, name in missing)
        blocks.append(Note(f"Omitted, because no seed has been trained on every fold: {names}."))
    blocks += [Note(f"{failure}: the runs' tag ser.reason says why.") for failure in list_failures(data.record)]
    return Section("ablation", "Effect of each part", _summarize(variants), tuple(blocks))


def _summarize(variants: list[Variant]) -> str:
    tests = [variant.comparison for variant in variants if variant.comparison is not None]
    better, worse = (
        sum(test.p_value < ALPHA and sign * test.difference.value > 0 for test in tests) for sign in (1, -1)
    )
    return (
        f"Of {len(tests)} comparisons with the baseline {better} are better and {worse} worse at {100 * ALPHA:.0f} % "
        "after Holm's correction, on validation clips; test clips were not used. Each training kept its best epoch "
        "by these clips, so the figures of all variants are higher than on new speakers."
    )


def _build_blocks(data: ReportData, variants: list[Variant]) -> list[Block]:
    title = f"{variants[0].cell}, split {variants[0].split}"
    caption = (
        f"{title}: {describe_clips(variants[0].counts, 'validation')}, all folds pooled. Brackets: 95 % interval of "
        f"the difference, the same speakers drawn for both with replacement {data.n_resamples:,} times. ± seeds: "
        "standard deviation between seeds."
    )
    name = f"ablation-{variants[0].cell}-{variants[0].split}"
    table = Table(name, caption, _COLUMNS, tuple(_make_row(data, variant) for variant in variants))
    forest = _make_forest(data, variants, title)
    return [*([forest] if forest else []), table, _draw_curves(data, variants, title)]


def _make_row(data: ReportData, variant: Variant) -> tuple[Value, ...]:
    comparison = variant.comparison
    return (
        variant.name,
        describe_changes(data.record, variant.name),
        variant.uar,
        comparison.difference if comparison else None,
        comparison.p_value if comparison else None,
        variant.seed_spread,
        variant.n_seeds,
        variant.n_parameters,
        variant.train_seconds,
        variant.cell,
        variant.split,
    )


def _make_forest(data: ReportData, variants: list[Variant], title: str) -> Forest | None:
    marker = data.markers[variants[0].cell]
    rows = tuple(ForestRow(v.name, marker, v.comparison.difference) for v in variants if v.comparison is not None)
    if not rows:
        return None
    ends = [abs(end) for row in rows for end in (row.interval.low, row.interval.high)]
    reach = max(0.02, math.ceil(50 * max(ends)) / 50)
    ticks = tuple(round(reach * part, 4) for part in (-1, -0.5, 0, 0.5, 1))
    caption = f"Validation UAR minus the baseline's, in points, with its 95 % interval over speakers; {title}."
    return Forest(caption, rows, -reach, reach, ticks, (0.0, BASELINE))


def _draw_curves(data: ReportData, variants: list[Variant], title: str) -> Gallery:
    means = {variant.name: _average_curve(data, variant) for variant in variants}
    points = [point for curve in means.values() for point in curve]
    axes = (
        Axis("epoch", 0, max(x for x, _ in points)),
        fit_axis("validation UAR, %", [y for _, y in points], percent=True),
    )
    charts = []
    for variant in variants:
        picture = Picture(*axes)
        picture.line(means.get(BASELINE, []), colour=_PALE, width=1.6)
        picture.line(means[variant.name], colour=_STRONG, width=2.2)
        description = f"{variant.name}: mean validation UAR of its trainings by epoch, and the baseline's"
        charts.append(Chart(variant.name, description, picture.svg(description)))
    caption = (
        f"Validation UAR by epoch, mean over the trainings that reached it; the grey line is the baseline's. {title}."
    )
    return Gallery(caption, tuple(charts))


def _average_curve(data: ReportData, variant: Variant) -> list[Point]:
    by_epoch: dict[int, list[float]] = defaultdict(list)
    for trial in variant.trials:
        for report in data.reports[trial.key]:
            by_epoch[report.epoch].append(report.metrics["val_uar"])
    return [(epoch, sum(values) / len(values)) for epoch, values in sorted(by_epoch.items())]
