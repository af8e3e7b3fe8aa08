"""Slices: for whom, and on what, the networks do better or worse."""

from collections import defaultdict

import numpy as np

from ser.evaluation.speaker_counts import FIGURES
from ser.report.content import Block, Column, Note, Section, Table, Value
from ser.report.report_data import ReportData
from ser.report.slices import Slicing, slicings_by_clip, slicings_by_speaker
from ser.report.split_results import NetworkResult, SplitResults

_MOST_OPEN = 6
# Of a group that may be called better or worse: below, it is a matter of who was drawn.
FEWEST_SPEAKERS = 5


def section(study: ReportData) -> Section:
    """Test UAR by intensity, sentence, sex and age, each group by itself."""
    board, facts = study.boards[0], study.record.facts
    by_clip = slicings_by_clip(facts.corpus, facts.corpus_dir)
    by_speaker = slicings_by_speaker(study.folder)
    blocks: list[Block] = []
    spans: dict[str, float] = {}
    for slicing in (*by_clip, *by_speaker):
        groups = _groups(board.networks[0], slicing)
        if len(groups) > 1:
            blocks.append(_table(study, board, slicing, groups))
            span = _span(board.networks[0], slicing, groups)
            if span is not None:
                spans[slicing.name] = span
    if not by_clip:
        blocks.append(Note(f"No slices by intensity and sentence: the corpus is no longer in {facts.corpus_dir}."))
    if not by_speaker:
        blocks.append(Note("No slices by sex and age: this sweep has no table of its speakers."))
    lead = "Test UAR of parts of the test clips; emotions of which a part has no clip are left out of its mean."
    if spans:
        name, widest = board.networks[0].name, max(spans, key=spans.__getitem__)
        lead += (
            f" For {name} groups with the same emotions and at least {FEWEST_SPEAKERS} speakers differ most by "
            f"{widest}: by {100 * spans[widest]:.1f} points."
        )
    return Section("slices", "Slices", lead, tuple(blocks))


def _groups(line: NetworkResult, slicing: Slicing) -> list[str]:
    """The groups that the test clips have, in order."""
    return sorted({*map(str, slicing.groups(line.predictions))} - {""})


def _table(study: ReportData, board: SplitResults, slicing: Slicing, groups: list[str]) -> Table:
    columns = (Column("cell", "network"), *(_column(board.networks[0], slicing, group) for group in groups))
    rows = tuple(_row(study, line, slicing, groups) for line in board.lines)
    caption = f"Test UAR by {slicing.name}, {board.title}, with 95 % intervals over speakers."
    return Table(f"slices-{slicing.name}", caption, columns, rows, folded=len(groups) > _MOST_OPEN)


def _column(line: NetworkResult, slicing: Slicing, group: str) -> Column:
    seen = line.predictions.select(slicing.groups(line.predictions) == group)
    n_clips, n_speakers = len(np.unique(seen.clips)), len(np.unique(seen.speakers))
    return Column(group, f"{group} %", percent=True, detail=f"{n_clips:,} clips, {n_speakers} speakers")


def _row(study: ReportData, line: NetworkResult, slicing: Slicing, groups: list[str]) -> tuple[Value, ...]:
    of = slicing.groups(line.predictions)
    figures = (
        study.interval(line.predictions.select(of == group).counts(), "uar") if (of == group).any() else None
        for group in groups
    )
    return (line.name, *figures)


def _span(line: NetworkResult, slicing: Slicing, groups: list[str]) -> float | None:
    """How far the UAR of groups with the same emotions and enough speakers lies apart; None of fewer than two."""
    of = slicing.groups(line.predictions)
    alike: dict[frozenset[int], list[float]] = defaultdict(list)
    for group in groups:
        part = line.predictions.select(of == group)
        if len(np.unique(part.speakers)) >= FEWEST_SPEAKERS:
            alike[frozenset(part.truth.tolist())].append(part.counts().figure(FIGURES["uar"]))
    values = max(alike.values(), key=len, default=[])
    return max(values) - min(values) if len(values) > 1 else None
