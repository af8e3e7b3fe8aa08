"""Section with the leaderboards: scores of each network with intervals over speakers."""

import math
from collections.abc import Iterator

from ser.evaluation.bootstrap import Interval
from ser.evaluation.speaker_counts import FIGURES
from ser.report.content import Block, Column, Forest, ForestRow, Note, Section, Table, Value
from ser.report.report_data import ReportData, describe_clips
from ser.report.split_results import NetworkResult, SplitResults

_COLUMNS = (
    Column("cell", "network"),
    Column("test_uar", "test UAR %", percent=True),
    Column("test_accuracy", "accuracy %", percent=True),
    Column("test_macro_f1", "macro-F1 %", percent=True),
    Column("val_uar", "validation UAR %", percent=True),
    Column("seed_spread", "± seeds", percent=True),
    Column("n_parameters", "parameters"),
    Column("train_seconds", "training, s", digits=0),
    Column("n_runs", "runs"),
    Column("stage", "stage", csv_only=True),
    Column("split", "split", csv_only=True),
)


def build_section(data: ReportData) -> Section:
    """Build a leaderboard for each stage and split, the most informative first."""
    blocks: list[Block] = []
    for number, results in enumerate(data.split_results):
        if results is data.split_results[0]:
            blocks.append(_make_forest(data, results))
        blocks.append(_make_table(data, results, number))
        blocks += [Note(_describe_incomplete(results, network)) for network in results.incomplete]
        blocks += [Note(f"Omitted: {problem}") for problem in results.problems]
    blocks += [Note(text) for text in _describe_older_features(data)]
    return Section("leaderboard", "Leaderboard", _summarize(data), tuple(blocks))


def _describe_older_features(data: ReportData) -> Iterator[str]:
    versions = data.record.facts.features_versions
    cells = [cell for cell in data.cells if cell.endswith("-1d")]
    if versions["1d"] < 3 and cells:
        yield (
            f"{', '.join(cells)} {'was' if len(cells) == 1 else 'were'} trained with RMS energy: since version 3 of "
            "the 1-D features energy is the sum of squares in dB."
        )


def _summarize(data: ReportData) -> str:
    results = data.split_results[0]
    first = results.networks[0]
    best = data.interval(first.counts, "uar")
    text = (
        f"{first.name} leads by validation UAR ({results.title}); its test UAR is {100 * best.value:.1f} %"
        f"{_format_interval(best)}."
    )
    overlapping = [network for network in results.networks[1:] if _overlaps(data.interval(network.counts, "uar"), best)]
    if overlapping:
        subject = (
            "interval of one other overlaps"
            if len(overlapping) == 1
            else f"intervals of {len(overlapping)} others overlap"
        )
        text += f" The {subject} with it: the paired tests state which differences are significant."
    baselines = [f"{network.name} {100 * network.counts.figure(FIGURES['uar']):.1f} %" for network in results.baselines]
    return f"{text} On the same clips: {', '.join(baselines)}." if baselines else text


def _describe_incomplete(results: SplitResults, network: NetworkResult) -> str:
    return (
        f"{network.name} is not ranked ({results.title}): {len(network.trials)} of its runs belong to a seed with "
        f"every fold, others have {results.n_runs}. It is listed last and excluded from the comparisons."
    )


def _format_interval(interval: Interval) -> str:
    if math.isnan(interval.low):
        return ""
    return f" (95 % over speakers: {100 * interval.low:.1f} to {100 * interval.high:.1f})"


def _overlaps(one: Interval, other: Interval) -> bool:
    return one.high >= other.low and other.high >= one.low


def _make_forest(data: ReportData, results: SplitResults) -> Forest:
    rows = tuple(
        ForestRow(network.name, data.markers[network.name], data.interval(network.counts, "uar"))
        for network in results.with_baselines
    )
    chance = 1 / len(data.emotions)
    ends = [end for row in rows for end in (row.interval.value, row.interval.high) if math.isfinite(end)]
    high = min(1.0, math.ceil(10 * max(ends) + 0.2) / 10)
    ticks = tuple(n / 10 for n in range(round(10 * high) + 1) if n % 2 == 0 or high <= 0.6)
    caption = (
        f"Test UAR in percent, {results.title}: {_count_speakers(results)} speakers, with 95 % intervals over "
        "speakers. Hollow markers are 1-D networks, filled ones 2-D."
    )
    return Forest(caption, rows, 0.0, high, ticks, (chance, "chance"))


def _count_speakers(results: SplitResults) -> int:
    return len(results.with_baselines[0].counts.speakers)


def _make_table(data: ReportData, results: SplitResults, number: int) -> Table:
    clips = describe_clips(results.with_baselines[0].counts, "test")
    runs = f"{results.n_runs} runs of each network (folds x seeds)" if results.n_runs > 1 else "one run of each network"
    caption = (
        f"{results.title[0].upper()}{results.title[1:]}: {clips}, {runs}, ordered by validation UAR. Brackets: "
        f"95 % interval, speakers drawn with replacement {data.n_resamples:,} times. ± seeds: standard deviation of "
        "the test UAR between seeds."
    )
    name = "leaderboard" if number == 0 else f"leaderboard-{results.stage}-{results.split}"
    return Table(
        name,
        caption,
        _COLUMNS,
        tuple(_make_row(data, results, network) for network in results.with_baselines + results.incomplete),
    )


def _make_row(data: ReportData, results: SplitResults, network: NetworkResult) -> tuple[Value, ...]:
    return (
        network.name,
        *(data.interval(network.counts, figure) for figure in FIGURES),
        network.validation_uar,
        network.counts.spread(FIGURES["uar"]) if network.trials else None,
        network.n_parameters,
        network.train_seconds,
        len(network.trials) or None,
        results.stage,
        results.split,
    )
