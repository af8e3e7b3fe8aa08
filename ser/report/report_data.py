"""Data of a report: the state of a sweep, the reports of its epochs, and the predictions of its trials."""

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ser.evaluation.bootstrap import Interval, interval
from ser.evaluation.speaker_counts import FIGURES, SpeakerCounts
from ser.report.markers import Marker, assign_markers
from ser.report.split_results import SplitResults, collect_results
from ser.sweep.journal import Reported, TrialKey, read_events
from ser.sweep.state import SweepState, replay


@dataclass(frozen=True)
class ReportData:
    """Data of the report of one sweep.

    Attributes:
        journal: path of the journal.
        record: state of the sweep.
        reports: reports of each trial, epoch by epoch.
        split_results: results by stage and split, the most informative first.
        n_resamples: resamples of every interval and test.
        command: command line that makes the report.
    """

    journal: Path
    record: SweepState
    reports: dict[TrialKey, list[Reported]]
    split_results: tuple[SplitResults, ...]
    n_resamples: int
    command: str

    @property
    def emotions(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self.record.facts.emotions)

    @property
    def cells(self) -> tuple[str, ...]:
        """Names of the compared networks, in the order of the plan."""
        return tuple(self.record.plan.cells)

    @cached_property
    def markers(self) -> dict[str, Marker]:
        """Marker of each network and baseline by name."""
        names = {network.name for results in self.split_results for network in results.with_baselines}
        return assign_markers({*self.cells, *names})

    @property
    def folder(self) -> Path:
        """Folder of the sweep."""
        return self.journal.parent

    def interval(self, counts: SpeakerCounts, figure: str) -> Interval:
        """Compute a figure with its interval over speakers; the ends are NaN for a single speaker.

        Args:
            counts: predictions counted by speaker.
            figure: one of `FIGURES`.
        """
        if len(counts.speakers) < 2:
            return Interval(counts.figure(FIGURES[figure]), math.nan, math.nan)
        return interval(counts, FIGURES[figure], n_resamples=self.n_resamples)


def describe_clips(counts: SpeakerCounts, part: str) -> str:
    """Describe the size of a part, as '4,405 test clips of 56 speakers', with a range if seeds differ."""
    ends = sorted({min(counts.n_clips), max(counts.n_clips)})
    return f"{' to '.join(f'{n:,}' for n in ends)} {part} clips of {len(counts.speakers)} speakers"


def read_report_data(journal: Path, *, n_resamples: int, command: str) -> ReportData:
    """Read the data of the report of a sweep.

    Args:
        journal: path of the journal.
        n_resamples: resamples of every interval and test.
        command: command line that makes the report.

    Raises:
        JournalError: the journal is missing or damaged.
    """
    record = replay(journal)
    reports: dict[TrialKey, list[Reported]] = defaultdict(list)
    for _, event in read_events(journal):
        if isinstance(event, Reported):
            reports[record.trial(event).key].append(event)
    return ReportData(
        journal, record, dict(reports), tuple(collect_results(record, journal.parent)), n_resamples, command
    )
