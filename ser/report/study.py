"""All that a report is made from: a sweep's journal, and the predictions that its trials left."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ser.journal import FINAL, SEARCH, Reported, TrialKey, read_events
from ser.replay import SweepRecord, TrialRecord
from ser.report.marks import Mark, marks_of
from ser.statistics.counts import FIGURES, SpeakerCounts
from ser.statistics.intervals import Interval, interval
from ser.statistics.predictions import Predictions, PredictionsError, read_predictions, together
from ser.trial import PREDICTIONS_FILE


@dataclass(frozen=True)
class Line:
    """What one network made of the test clips of a split.

    Attributes:
        name: of the cell.
        trials: whose predictions these are: of every fold and seed.
        predictions: of the test clips, all trials together.
    """

    name: str
    trials: tuple[TrialRecord, ...]
    predictions: Predictions

    @cached_property
    def counts(self) -> SpeakerCounts:
        """Its predictions counted by seed and speaker."""
        return self.predictions.counts()

    def mean(self, value: Callable[[TrialRecord], float]) -> float:
        """Mean over its trials."""
        return sum(map(value, self.trials)) / len(self.trials)


@dataclass(frozen=True)
class Board:
    """Networks that were evaluated in the same way.

    Attributes:
        stage: 'search' (the trial that validation chose) or 'final' (trained again over folds and seeds).
        split: its name.
        lines: best first: of the search by validation UAR, of the final evaluation by test UAR.
        missing: sentences about trials whose predictions cannot be read.
    """

    stage: str
    split: str
    lines: tuple[Line, ...]
    missing: tuple[str, ...]

    @property
    def n_runs(self) -> int:
        """Trials that a complete line has."""
        return max(len(line.trials) for line in self.lines)

    @property
    def title(self) -> str:
        """Its name on the page."""
        what = "final evaluation" if self.stage == FINAL else "best trial of the search"
        return f"{what}, split {self.split}"

    def complete(self) -> tuple[Line, ...]:
        """The lines that saw every clip that any saw: those that can be compared."""
        n_clips = max(len(line.predictions) for line in self.lines)
        return tuple(line for line in self.lines if len(line.predictions) == n_clips)


@dataclass(frozen=True)
class Study:
    """A sweep to be reported.

    Attributes:
        record: what its journal says.
        reports: of each trial, epoch by epoch.
        boards: the one that counts most comes first.
        n_resamples: of every interval and test.
        command: that makes the report.
    """

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

    def interval(self, counts: SpeakerCounts, figure: str) -> Interval:
        """A figure with its interval over speakers; without one where there is a single speaker."""
        if len(counts.speakers) < 2:
            return Interval(counts.figure(FIGURES[figure]), float("nan"), float("nan"))
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
    return Study(record, dict(reports), tuple(_boards(record)), n_resamples, command)


def _boards(record: SweepRecord) -> list[Board]:
    best = [record.best_of_cell(cell) for cell in sorted({key.cell for key in record.trials})]
    groups: dict[tuple[str, str], list[TrialRecord]] = defaultdict(list)
    for trial in record.finals():
        if trial.outcome == "completed":
            groups[FINAL, str(trial.asked.values["split.name"])].append(trial)
    for chosen in filter(None, best):
        groups[SEARCH, str(record.plan["split"])].append(chosen)
    boards = [_board(stage, split, trials) for (stage, split), trials in groups.items()]
    return sorted((board for board in boards if board.lines), key=_weight)


def _weight(board: Board) -> tuple[bool, bool, int]:
    """Final before search, new speakers before known ones, more runs before fewer."""
    return board.stage != FINAL, board.split == "assignment", -board.n_runs


def _board(stage: str, split: str, trials: list[TrialRecord]) -> Board:
    of_cell: dict[str, list[tuple[TrialRecord, Predictions]]] = defaultdict(list)
    missing = []
    for trial in trials:
        assert trial.ended is not None
        path = Path(trial.ended.bundle) / PREDICTIONS_FILE
        try:
            read = read_predictions(path, part="test", repeat=int(trial.asked.values["training.seed"]))
        except PredictionsError as error:
            missing.append(f"{trial.key.short}: {error}")
        else:
            of_cell[trial.key.cell].append((trial, read))
    lines = [
        Line(cell, tuple(trial for trial, _ in pairs), together([read for _, read in pairs]))
        for cell, pairs in of_cell.items()
    ]
    order = _test_uar if stage == FINAL else validation_uar
    return Board(stage, split, tuple(sorted(lines, key=lambda line: (-order(line), line.name))), tuple(missing))


def _test_uar(line: Line) -> float:
    return line.counts.figure(FIGURES["uar"])


def validation_uar(line: Line) -> float:
    """Mean over its trials of the best validation UAR."""
    return line.mean(lambda trial: trial.best.metrics["val_uar"] if trial.best else float("nan"))
