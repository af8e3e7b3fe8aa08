"""All that a report is made from: a sweep's journal, and the predictions that its trials left."""

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ser.baselines import BASELINES, HUMAN_VOTE, MAJORITY, MFCC_SVM, baseline_path
from ser.config import from_flat
from ser.journal import FINAL, SEARCH, Reported, TrialKey, read_events
from ser.replay import SweepRecord, TrialRecord
from ser.report.marks import Mark, marks_of
from ser.splits.manifests import manifests
from ser.statistics.comparisons import same_clips
from ser.statistics.counts import FIGURES, SpeakerCounts
from ser.statistics.intervals import Interval, interval
from ser.statistics.predictions import Predictions, PredictionsError, read_predictions, together
from ser.trial import PREDICTIONS_FILE

BASELINE_TITLES = {MAJORITY: "chance", MFCC_SVM: "MFCC + SVM", HUMAN_VOTE: "listeners' vote"}


@dataclass(frozen=True)
class Line:
    """What a network, or what it is compared with, made of the test clips of a split.

    Attributes:
        name: of the cell, or of the baseline.
        trials: whose predictions these are, of every fold and seed; none of a baseline.
        predictions: of the test clips, all folds and seeds together.
    """

    name: str
    trials: tuple[TrialRecord, ...]
    predictions: Predictions

    @cached_property
    def counts(self) -> SpeakerCounts:
        """Its predictions counted by seed and speaker."""
        return self.predictions.counts()

    def mean(self, value: Callable[[TrialRecord], float]) -> float | None:
        """Mean over its trials; None of a baseline."""
        return sum(map(value, self.trials)) / len(self.trials) if self.trials else None


@dataclass(frozen=True)
class Board:
    """Networks that were evaluated in the same way.

    Attributes:
        stage: 'search' (the trial that validation chose) or 'final' (trained again over folds and seeds).
        split: its name.
        networks: best first: of the search by validation UAR, of the final evaluation by test UAR.
        baselines: what they are compared with on the same clips.
        missing: sentences about predictions that cannot be read.
    """

    stage: str
    split: str
    networks: tuple[Line, ...]
    baselines: tuple[Line, ...]
    missing: tuple[str, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        """Networks and baselines."""
        return self.networks + self.baselines

    @property
    def n_runs(self) -> int:
        """Trials that a complete line has."""
        return max(len(line.trials) for line in self.networks)

    @property
    def knows_speakers(self) -> bool:
        """Whether test clips are of speakers that the training heard."""
        return "speaker" not in manifests()[self.split].claims

    @property
    def title(self) -> str:
        """Its name on the page."""
        what = "final evaluation" if self.stage == FINAL else "best trial of the search"
        return f"{what}, split {self.split}"

    def comparable(self) -> tuple[Line, ...]:
        """The lines that were evaluated on all clips, in every fold and with every seed."""
        whole = max(self.networks, key=lambda line: len(line.predictions)).counts
        return tuple(line for line in self.lines if same_clips(line.counts, whole))


@dataclass(frozen=True)
class _Run:
    """A trial and its predictions of test clips."""

    trial: TrialRecord
    tested: Predictions


@dataclass(frozen=True)
class Study:
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
    record: SweepRecord
    reports: dict[TrialKey, list[Reported]]
    boards: tuple[Board, ...]
    n_resamples: int
    command: str

    @property
    def emotions(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self.record.facts["emotions"])

    @property
    def cells(self) -> tuple[str, ...]:
        """The compared networks, in the order of the plan."""
        return tuple(self.record.plan["cells"])

    @cached_property
    def marks(self) -> dict[str, Mark]:
        """How each of them looks."""
        names = {line.name for board in self.boards for line in board.lines}
        return marks_of({*self.cells, *names})

    @property
    def folder(self) -> Path:
        """Of the sweep: its journal and what lies beside it."""
        return self.journal.parent

    def interval(self, counts: SpeakerCounts, figure: str) -> Interval:
        """A figure with its interval over speakers; without one where there is a single speaker."""
        if len(counts.speakers) < 2:
            return Interval(counts.figure(FIGURES[figure]), math.nan, math.nan)
        return interval(counts, FIGURES[figure], n_resamples=self.n_resamples)


def read_study(journal: Path, *, n_resamples: int, command: str) -> Study:
    """The study of the sweep at `journal`.

    Raises:
        JournalError: damaged.
    """
    record = SweepRecord()
    reports: dict[TrialKey, list[Reported]] = defaultdict(list)
    for _, event in read_events(journal):
        record.apply(event)
        if isinstance(event, Reported):
            reports[record.trial(event).key].append(event)
    return Study(journal, record, dict(reports), tuple(_boards(record, journal.parent)), n_resamples, command)


def _boards(record: SweepRecord, folder: Path) -> list[Board]:
    best = [record.best_of_cell(cell) for cell in sorted({key.cell for key in record.trials})]
    groups: dict[tuple[str, str], list[TrialRecord]] = defaultdict(list)
    for trial in record.finals():
        if trial.outcome == "completed":
            groups[FINAL, str(trial.asked.values["split.name"])].append(trial)
    for chosen in filter(None, best):
        groups[SEARCH, str(record.plan["split"])].append(chosen)
    boards = [_board(stage, split, trials, folder) for (stage, split), trials in groups.items()]
    return sorted((board for board in boards if board.networks), key=_weight)


def _weight(board: Board) -> tuple[bool, bool, int]:
    """Final before search, new speakers before known ones, more runs before fewer."""
    return board.stage != FINAL, board.knows_speakers, -board.n_runs


def _board(stage: str, split: str, trials: list[TrialRecord], folder: Path) -> Board:
    runs: dict[str, list[_Run]] = defaultdict(list)
    missing = []
    for trial in trials:
        assert trial.ended is not None
        path = Path(trial.ended.bundle) / PREDICTIONS_FILE
        try:
            tested = read_predictions(path, part="test", repeat=int(trial.asked.values["training.seed"]))
        except PredictionsError as error:
            missing.append(f"{trial.key.short}: {error}")
        else:
            runs[trial.key.cell].append(_Run(trial, tested))
    lines = [
        Line(cell, tuple(run.trial for run in listed), together([run.tested for run in listed]))
        for cell, listed in runs.items()
    ]
    order = _test_uar if stage == FINAL else validation_uar
    networks = tuple(sorted(lines, key=lambda line: (-order(line), line.name)))
    most = max(runs.values(), key=len, default=[])
    baselines = filter(None, (_baseline(name, most, folder) for name in BASELINES))
    return Board(stage, split, networks, tuple(baselines), tuple(missing))


def _baseline(name: str, runs: list[_Run], folder: Path) -> Line | None:
    """A baseline on the very clips of the runs, or None where it was not measured on all of them."""
    parts = []
    for run in runs:
        path = baseline_path(folder, name, from_flat(run.trial.asked.values).split)
        if not path.exists():
            return None
        answers = read_predictions(path, part="test", repeat=int(run.tested.repeats[0]))
        parts.append(answers.where(np.isin(answers.clips, run.tested.clips)))
        if len(parts[-1]) != len(run.tested):
            return None
    return Line(BASELINE_TITLES[name], (), together(parts)) if parts else None


def _test_uar(line: Line) -> float:
    return line.counts.figure(FIGURES["uar"])


def validation_uar(line: Line) -> float:
    """Mean over its trials of the best validation UAR."""
    return line.mean(lambda trial: trial.best.metrics["val_uar"] if trial.best else math.nan) or math.nan


def n_parameters(line: Line) -> int | None:
    """Weights of the network; None of a baseline."""
    ended = line.trials[0].ended if line.trials else None
    return int(ended.test["n_parameters"]) if ended else None


def train_seconds(line: Line) -> float | None:
    """Mean over its trials of the time of training; None of a baseline."""
    return line.mean(lambda trial: float(trial.ended.test["train_seconds"]) if trial.ended else math.nan)
