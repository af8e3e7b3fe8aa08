"""What each part of a network is worth: the variants of an ablation against the baseline."""

import math
from collections import defaultdict

from ser.evaluation.significance import ALPHA
from ser.report.ablation import Variant, compare_variants, describe_changes, list_failures
from ser.report.content import Block, Chart, Column, Forest, ForestRow, Gallery, Note, Section, Table, Value
from ser.report.report_data import ReportData, clips_of
from ser.report.svg import Axis, Picture, Point, fit_axis
from ser.sweep.journal import BASELINE

_PALE, _STRONG = "#9aa2b1", "#0072b2"
_COLUMNS = (
    Column("variant", "variant"),
    Column("changes", "changes", words=True),
    Column("val_uar", "validation UAR %", percent=True),
    Column("difference", "against the baseline, points", percent=True),
    Column("p_holm", "p (Holm)", digits=4),
    Column("seed_spread", "± seeds", percent=True),
    Column("seeds", "seeds"),
    Column("n_parameters", "parameters"),
    Column("train_seconds", "s a training", digits=0),
    Column("cell", "cell", filed=True),
    Column("split", "split", filed=True),
)


def section(study: ReportData) -> Section:
    """For each cell a picture of the differences, their table, and learning curves."""
    variants = compare_variants(study.record, n_resamples=study.n_resamples)
    groups: dict[tuple[str, str], list[Variant]] = defaultdict(list)
    for variant in variants:
        groups[variant.cell, variant.split].append(variant)
    blocks: list[Block] = [block for listed in groups.values() for block in _blocks(study, listed)]
    asked = {(t.key.cell, t.split.name, t.asked.variant) for t in study.record.ablation_trials()}
    missing = sorted(asked - {(variant.cell, variant.split, variant.name) for variant in variants})
    if missing:
        names = ", ".join(f"{name} ({cell}, {split})" for cell, split, name in missing)
        blocks.append(Note(f"Left out, because no seed has been trained on every fold: {names}."))
    blocks += [Note(f"{failure}: the runs' tag ser.reason says why.") for failure in list_failures(study.record)]
    return Section("ablation", "What is each part worth?", _lead(variants), tuple(blocks))


def _lead(variants: list[Variant]) -> str:
    tests = [variant.against for variant in variants if variant.against is not None]
    better, worse = (
        sum(test.p_value < ALPHA and sign * test.difference.value > 0 for test in tests) for sign in (1, -1)
    )
    return (
        f"Of {len(tests)} comparisons with the baseline {better} are better and {worse} worse at {100 * ALPHA:.0f} % "
        "after Holm's correction, on validation clips; test clips were not heard. Each training kept its best epoch "
        "by these clips, so that the figures are higher than on new speakers, for all variants alike."
    )


def _blocks(study: ReportData, variants: list[Variant]) -> list[Block]:
    where = f"{variants[0].cell}, split {variants[0].split}"
    caption = (
        f"{where}: {clips_of(variants[0].counts, 'validation')}, all folds together. Brackets: 95 % interval of the "
        f"difference, the same speakers drawn for both with replacement {study.n_resamples:,} times. ± seeds: standard "
        "deviation between seeds."
    )
    name = f"ablation-{variants[0].cell}-{variants[0].split}"
    table = Table(name, caption, _COLUMNS, tuple(_row(study, variant) for variant in variants))
    forest = _forest(study, variants, where)
    return [*([forest] if forest else []), table, _curves(study, variants, where)]


def _row(study: ReportData, variant: Variant) -> tuple[Value, ...]:
    against = variant.against
    return (
        variant.name,
        describe_changes(study.record, variant.name),
        variant.uar,
        against.difference if against else None,
        against.p_value if against else None,
        variant.seed_spread,
        variant.n_seeds,
        variant.n_parameters,
        variant.seconds,
        variant.cell,
        variant.split,
    )


def _forest(study: ReportData, variants: list[Variant], where: str) -> Forest | None:
    mark = study.marks[variants[0].cell]
    rows = tuple(ForestRow(v.name, mark, v.against.difference) for v in variants if v.against is not None)
    if not rows:
        return None
    ends = [abs(end) for row in rows for end in (row.interval.low, row.interval.high)]
    reach = max(0.02, math.ceil(50 * max(ends)) / 50)
    ticks = tuple(round(reach * part, 4) for part in (-1, -0.5, 0, 0.5, 1))
    caption = f"Validation UAR less the baseline's, in points, with its 95 % interval over speakers; {where}."
    return Forest(caption, rows, -reach, reach, ticks, (0.0, BASELINE))


def _curves(study: ReportData, variants: list[Variant], where: str) -> Gallery:
    means = {variant.name: _mean_curve(study, variant) for variant in variants}
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
    caption = f"Validation UAR by epoch, mean over trainings that went on; the grey line is the baseline's. {where}."
    return Gallery(caption, tuple(charts))


def _mean_curve(study: ReportData, variant: Variant) -> list[Point]:
    at: dict[int, list[float]] = defaultdict(list)
    for trial in variant.trials:
        for report in study.reports[trial.key]:
            at[report.epoch].append(report.metrics["val_uar"])
    return [(epoch, sum(values) / len(values)) for epoch, values in sorted(at.items())]
