"""What the events of a journal add up to: a sweep, its trials, and how each of them stands."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ser.experiment.experiment import Experiment, from_flat
from ser.settings.ranges import SettingError
from ser.sweep.journal import (
    ABLATION,
    FINAL,
    SEARCH,
    Asked,
    Closed,
    Ended,
    Event,
    JournalError,
    Reported,
    Started,
    TrialKey,
    read_events,
)

FINAL_OUTCOMES = ("completed", "pruned", "failed")


@dataclass
class TrialRecord:
    """One trial as its events tell it; of its reports only two are kept, so that long sweeps stay small.

    Attributes:
        best: the epoch whose weights are kept: highest validation UAR, then lowest validation loss, then the first.
        last: the newest epoch.
    """

    key: TrialKey
    asked: Asked
    best: Reported | None = None
    last: Reported | None = None
    ended: Ended | None = None
    was_killed: bool = False

    @property
    def stage(self) -> str:
        """`search`, `final` for the evaluation of what the search chose, or `ablation`."""
        return self.asked.stage

    @property
    def title(self) -> str:
        """'vgg16-2d 003', 'vgg16-2d final assignment 0 seed 1', or 'sercnn-2d no-mixup assignment 0 seed 1'."""
        if self.stage == SEARCH:
            return self.key.short
        values = self.asked.values
        what = self.asked.variant or self.stage
        return f"{self.key.cell} {what} {values['split.name']} {values['split.fold']} seed {values['training.seed']}"

    @property
    def outcome(self) -> str:
        """`completed`, `pruned`, `failed`, `killed`, or `open` while it has not ended."""
        return self.ended.outcome if self.ended else "open"

    @property
    def is_final(self) -> bool:
        """Whether a resumed sweep leaves it alone."""
        return self.outcome in FINAL_OUTCOMES

    @property
    def n_epochs(self) -> int:
        """Epochs reported so far."""
        return self.last.epoch if self.last else 0

    def report(self, event: Reported) -> None:
        """Take the report of an epoch into account; the same one again changes nothing."""
        if event.epoch > self.n_epochs:
            self.last = event
        self.best = max(filter(None, (self.best, event)), key=_merit)


@dataclass
class SweepRecord:
    """A sweep as its journal tells it."""

    name: str = ""
    plan: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    closed: Closed | None = None
    trials: dict[TrialKey, TrialRecord] = field(default_factory=dict)

    def apply(self, event: Event) -> None:
        """Take one more event into account."""
        if isinstance(event, Started):
            self.name, self.plan, self.facts, self.closed = event.sweep, event.plan, event.facts, None
        elif isinstance(event, Closed):
            self.closed = event
        elif isinstance(event, Asked):
            key = TrialKey(self.name, event.cell, event.number)
            self.trials[key] = TrialRecord(key, event)
        elif isinstance(event, Reported):
            self.trial(event).report(event)
        elif isinstance(event, Ended):
            trial = self.trial(event)
            trial.ended = event
            trial.was_killed = trial.was_killed or event.outcome == "killed"

    @property
    def is_ablation(self) -> bool:
        """Whether it compares variants, instead of searching."""
        return bool(self.plan.get("variants"))

    def trial(self, event: Reported | Ended) -> TrialRecord:
        """The trial that `event` belongs to."""
        return self.trials[TrialKey(self.name, event.cell, event.number)]

    def of_cell(self, cell: str) -> list[TrialRecord]:
        """The search's trials of one cell, in the order of their numbers."""
        return [trial for key, trial in sorted(self.trials.items()) if key.cell == cell and trial.stage == SEARCH]

    def finals(self) -> list[TrialRecord]:
        """The trials of the final evaluation, by cell and number; selection does not see them."""
        return self._of_stage(FINAL)

    def ablations(self) -> list[TrialRecord]:
        """The trials of an ablation, by cell and number."""
        return self._of_stage(ABLATION)

    def repeats(self) -> list[TrialRecord]:
        """All that was not searched but planned: a configuration trained anew over splits, folds and seeds."""
        return self.finals() + self.ablations()

    def _of_stage(self, stage: str) -> list[TrialRecord]:
        return [trial for _, trial in sorted(self.trials.items()) if trial.stage == stage]

    def best_of_cell(self, cell: str) -> TrialRecord | None:
        """The search's completed trial with the best validation UAR; test figures play no part."""
        completed = [trial for trial in self.of_cell(cell) if trial.outcome == "completed"]
        return best_trial(completed)


def _merit(report: Reported) -> tuple[float, float, int]:
    return report.metrics["val_uar"], -report.metrics["val_loss"], -report.epoch


def best_trial(trials: Iterable[TrialRecord]) -> TrialRecord | None:
    """The trial whose best epoch leads by validation UAR, then by validation loss, then by its number."""

    def rank(trial: TrialRecord) -> tuple[float, float, int]:
        assert trial.best is not None
        return trial.best.metrics["val_uar"], -trial.best.metrics["val_loss"], -trial.key.number

    return max((trial for trial in trials if trial.best), key=rank, default=None)


def replay(path: Path) -> SweepRecord:
    """The sweep that the journal at `path` tells.

    Raises:
        JournalError: missing or damaged.
    """
    if not path.exists():
        raise JournalError(f"there is no journal at {path}: check the name of the sweep, or start it without --resume")
    record = SweepRecord()
    for _, event in read_events(path):
        record.apply(event)
    return record


def asked_experiment(trial: TrialRecord) -> Experiment:
    """What a trial of a journal trains.

    Raises:
        JournalError: another version of ser asked for it.
    """
    try:
        return from_flat(trial.asked.values)
    except SettingError as error:
        raise JournalError(
            f"trial {trial.key} must have settings of this version of ser, another version gave it others: use that "
            f"one ({error})"
        ) from None
