"""The leaderboards: what each network scored, with intervals over speakers."""

import math
from collections.abc import Iterator

from ser.evaluation.bootstrap import Interval
from ser.evaluation.speaker_counts import FIGURES
from ser.report.content import Block, Column, Forest, ForestRow, Note, Section, Table, Value
from ser.report.report_data import ReportData, clips_of
from ser.report.split_results import NetworkResult, SplitResults, n_parameters, train_seconds, validation_uar

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
    Column("stage", "stage", filed=True),
    Column("split", "split", filed=True),
)


def section(study: ReportData) -> Section:
    """One leaderboard for each way of evaluation, the one that counts most first."""
    blocks: list[Block] = []
    for number, board in enumerate(study.boards):
        if board is study.boards[0]:
            blocks.append(_forest(study, board))
        blocks.append(_table(study, board, number))
        blocks += [Note(_unranked(board, line)) for line in board.partial]
        blocks += [Note(f"Not shown: {sentence}") for sentence in board.missing]
    blocks += [Note(text) for text in _describe_older_features(study)]
    return Section("leaderboard", "Leaderboard", _lead(study), tuple(blocks))


def _describe_older_features(study: ReportData) -> Iterator[str]:
    versions = study.record.facts.features_versions
    cells = [cell for cell in study.cells if cell.endswith("-1d")]
    if versions["1d"] < 3 and cells:
        yield (
            f"{', '.join(cells)} {'was' if len(cells) == 1 else 'were'} trained with RMS energy: since version 3 of "
            "the 1-D features energy is the sum of squares in dB."
        )


def _lead(study: ReportData) -> str:
    board = study.boards[0]
    first = board.networks[0]
    best = study.interval(first.counts, "uar")
    text = (
        f"{first.name} leads by validation UAR ({board.title}); its test UAR is {100 * best.value:.1f} %"
        f"{_interval(best)}."
    )
    rivals = [line for line in board.networks[1:] if _overlaps(study.interval(line.counts, "uar"), best)]
    if rivals:
        whose = "interval of one other overlaps" if len(rivals) == 1 else f"intervals of {len(rivals)} others overlap"
        text += f" The {whose} with it: the paired tests say what can be told apart."
    compared = [f"{line.name} {100 * line.counts.figure(FIGURES['uar']):.1f} %" for line in board.baselines]
    return f"{text} On the same clips: {', '.join(compared)}." if compared else text


def _unranked(board: SplitResults, line: NetworkResult) -> str:
    return (
        f"{line.name} is not ranked ({board.title}): {len(line.trials)} of its runs are of a seed with every fold, "
        f"others have {board.n_runs}. It stands last, and no comparison counts it."
    )


def _interval(of: Interval) -> str:
    return "" if math.isnan(of.low) else f" (95 % over speakers: {100 * of.low:.1f} to {100 * of.high:.1f})"


def _overlaps(one: Interval, other: Interval) -> bool:
    return one.high >= other.low and other.high >= one.low


def _forest(study: ReportData, board: SplitResults) -> Forest:
    rows = tuple(
        ForestRow(line.name, study.marks[line.name], study.interval(line.counts, "uar")) for line in board.lines
    )
    chance = 1 / len(study.emotions)
    ends = [end for row in rows for end in (row.interval.value, row.interval.high) if math.isfinite(end)]
    high = min(1.0, math.ceil(10 * max(ends) + 0.2) / 10)
    ticks = tuple(n / 10 for n in range(round(10 * high) + 1) if n % 2 == 0 or high <= 0.6)
    caption = (
        f"Test UAR in percent, {board.title}: {_n_speakers(board)} speakers, mark and 95 % interval over speakers. "
        "Hollow marks are 1-D networks, filled ones 2-D."
    )
    return Forest(caption, rows, 0.0, high, ticks, (chance, "chance"))


def _n_speakers(board: SplitResults) -> int:
    return len(board.lines[0].counts.speakers)


def _table(study: ReportData, board: SplitResults, number: int) -> Table:
    clips = clips_of(board.lines[0].counts, "test")
    runs = f"{board.n_runs} runs a network (folds x seeds)" if board.n_runs > 1 else "one run a network, one seed"
    caption = (
        f"{board.title[0].upper()}{board.title[1:]}: {clips}, {runs}, in the order of the validation UAR. Brackets: "
        f"95 % interval, speakers drawn with replacement {study.n_resamples:,} times. ± seeds: standard deviation of "
        "the test UAR between seeds."
    )
    name = "leaderboard" if number == 0 else f"leaderboard-{board.stage}-{board.split}"
    return Table(name, caption, _COLUMNS, tuple(_row(study, board, line) for line in board.lines + board.partial))


def _row(study: ReportData, board: SplitResults, line: NetworkResult) -> tuple[Value, ...]:
    return (
        line.name,
        *(study.interval(line.counts, figure) for figure in FIGURES),
        validation_uar(line),
        line.counts.spread(FIGURES["uar"]) if line.trials else None,
        n_parameters(line),
        train_seconds(line),
        len(line.trials) or None,
        board.stage,
        board.split,
    )
