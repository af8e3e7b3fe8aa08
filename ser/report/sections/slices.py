"""Section on slices: test UAR by properties of clips and speakers."""

from collections import defaultdict

import numpy as np

from ser.evaluation.speaker_counts import FIGURES
from ser.report.content import Block, Column, Note, Section, Table, Value
from ser.report.report_data import ReportData
from ser.report.slices import Slicing, slice_by_clip, slice_by_speaker
from ser.report.split_results import NetworkResult, SplitResults

_MOST_EXPANDED = 6

FEWEST_SPEAKERS = 5
"""Fewest speakers of a group that is compared: the UAR of fewer depends too much on the individual speakers."""


def build_section(data: ReportData) -> Section:
    """Build a table of the test UAR by group for intensity, sentence, sex and age."""
    results, facts = data.split_results[0], data.record.facts
    by_clip = slice_by_clip(facts.corpus, facts.corpus_dir)
    by_speaker = slice_by_speaker(data.folder)
    blocks: list[Block] = []
    spans: dict[str, float] = {}
    for slicing in (*by_clip, *by_speaker):
        groups = _list_groups(results.networks[0], slicing)
        if len(groups) > 1:
            blocks.append(_make_table(data, results, slicing, groups))
            span = _compute_span(results.networks[0], slicing, groups)
            if span is not None:
                spans[slicing.name] = span
    if not by_clip:
        blocks.append(Note(f"No slices by intensity and sentence: the corpus is no longer in {facts.corpus_dir}."))
    if not by_speaker:
        blocks.append(Note("No slices by sex and age: this sweep has no table of its speakers."))
    lead = "Test UAR of parts of the test clips; the mean of a part excludes emotions of which it has no clip."
    if spans:
        name, widest = results.networks[0].name, max(spans, key=spans.__getitem__)
        lead += (
            f" For {name} groups with the same emotions and at least {FEWEST_SPEAKERS} speakers differ most by "
            f"{widest}: by {100 * spans[widest]:.1f} points."
        )
    return Section("slices", "Slices", lead, tuple(blocks))


def _list_groups(network: NetworkResult, slicing: Slicing) -> list[str]:
    """List the groups of the test clips, sorted."""
    return sorted({*map(str, slicing.assign_groups(network.predictions))} - {""})


def _make_table(data: ReportData, results: SplitResults, slicing: Slicing, groups: list[str]) -> Table:
    columns = (Column("cell", "network"), *(_make_column(results.networks[0], slicing, group) for group in groups))
    rows = tuple(_make_row(data, network, slicing, groups) for network in results.with_baselines)
    caption = f"Test UAR by {slicing.name}, {results.title}, with 95 % intervals over speakers."
    return Table(f"slices-{slicing.name}", caption, columns, rows, collapsed=len(groups) > _MOST_EXPANDED)


def _make_column(network: NetworkResult, slicing: Slicing, group: str) -> Column:
    part = network.predictions.select(slicing.assign_groups(network.predictions) == group)
    n_clips, n_speakers = len(np.unique(part.clips)), len(np.unique(part.speakers))
    return Column(group, f"{group} %", percent=True, detail=f"{n_clips:,} clips, {n_speakers} speakers")


def _make_row(data: ReportData, network: NetworkResult, slicing: Slicing, groups: list[str]) -> tuple[Value, ...]:
    assigned = slicing.assign_groups(network.predictions)
    figures = (
        data.interval(network.predictions.select(assigned == group).counts(), "uar")
        if (assigned == group).any()
        else None
        for group in groups
    )
    return (network.name, *figures)


def _compute_span(network: NetworkResult, slicing: Slicing, groups: list[str]) -> float | None:
    """Compute the range of the UAR over groups with the same emotions and enough speakers; None for fewer than two."""
    assigned = slicing.assign_groups(network.predictions)
    by_emotions: dict[frozenset[int], list[float]] = defaultdict(list)
    for group in groups:
        part = network.predictions.select(assigned == group)
        if len(np.unique(part.speakers)) >= FEWEST_SPEAKERS:
            by_emotions[frozenset(part.truth.tolist())].append(part.counts().figure(FIGURES["uar"]))
    values = max(by_emotions.values(), key=len, default=[])
    return max(values) - min(values) if len(values) > 1 else None
