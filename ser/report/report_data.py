"""All that a report is made from: a sweep's journal, and the predictions that its trials left."""

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
    """A sweep to be reported.

    Attributes:
        journal: its truth.
        record: what the journal says.
        reports: of each trial, epoch by epoch.
        boards: the one that counts most comes first.
        n_resamples: of every interval and test.
        command: that makes the report.
    """

    journal: Path
    record: SweepState
    reports: dict[TrialKey, list[Reported]]
    boards: tuple[SplitResults, ...]
    n_resamples: int
    command: str

    @property
    def emotions(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self.record.facts.emotions)

    @property
    def cells(self) -> tuple[str, ...]:
        """The compared networks, in the order of the plan."""
        return tuple(self.record.plan.cells)

    @cached_property
    def marks(self) -> dict[str, Marker]:
        """How each of them looks."""
        names = {line.name for board in self.boards for line in board.lines}
        return assign_markers({*self.cells, *names})

    @property
    def folder(self) -> Path:
        """Of the sweep: its journal and what lies beside it."""
        return self.journal.parent

    def interval(self, counts: SpeakerCounts, figure: str) -> Interval:
        """A figure with its interval over speakers; without one where there is a single speaker."""
        if len(counts.speakers) < 2:
            return Interval(counts.figure(FIGURES[figure]), math.nan, math.nan)
        return interval(counts, FIGURES[figure], n_resamples=self.n_resamples)


def clips_of(counts: SpeakerCounts, part: str) -> str:
    """'4,405 test clips of 56 speakers', or where seeds differ '1,318 to 1,369 test clips of 56 speakers'."""
    ends = sorted({min(counts.n_clips), max(counts.n_clips)})
    return f"{' to '.join(f'{n:,}' for n in ends)} {part} clips of {len(counts.speakers)} speakers"


def read_report_data(journal: Path, *, n_resamples: int, command: str) -> ReportData:
    """The study of the sweep at `journal`.

    Raises:
        JournalError: missing or damaged.
    """
    record = replay(journal)
    reports: dict[TrialKey, list[Reported]] = defaultdict(list)
    for _, event in read_events(journal):
        if isinstance(event, Reported):
            reports[record.trial(event).key].append(event)
    return ReportData(
        journal, record, dict(reports), tuple(collect_results(record, journal.parent)), n_resamples, command
    )
