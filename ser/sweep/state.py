"""What the events of a journal add up to: a sweep, its trials, and how each of them stands."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ser.errors import UserError
from ser.experiment.experiment import Experiment, from_flat
from ser.settings.declaration import with_values
from ser.settings.ranges import SettingError
from ser.splits.split import Split
from ser.sweep.facts import SweepFacts, read_facts
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
from ser.sweep.plan import Plan
from ser.sweep.plan_files import parse_plan

TERMINAL_OUTCOMES = ("completed", "pruned", "failed")


@dataclass
class SweepTrial:
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
        what = self.asked.variant or self.stage
        return f"{self.key.cell} {what} {self.split.name} {self.split.fold} seed {self.seed}"

    @cached_property
    def split(self) -> Split:
        """The split that it is trained on, with its fold."""
        given = {name: value for name, value in self.asked.values.items() if name.startswith("split.")}
        return with_values(Split(), {name.removeprefix("split."): value for name, value in given.items()})

    @property
    def seed(self) -> int:
        """Seed of its training."""
        return int(self.asked.values["training.seed"])

    @cached_property
    def experiment(self) -> Experiment:
        """Everything that defines its training.

        Raises:
            JournalError: another version of ser asked for it.
        """
        try:
            return from_flat(self.asked.values)
        except SettingError as error:
            raise JournalError(
                f"trial {self.key} must have settings of this version of ser, another version gave it others ({error})",
                "use that version",
            ) from None

    @property
    def outcome(self) -> str:
        """`completed`, `pruned`, `failed`, `killed`, or `open` while it has not ended."""
        return self.ended.outcome if self.ended else "open"

    @property
    def is_terminal(self) -> bool:
        """Whether a resumed sweep leaves it alone."""
        return self.outcome in TERMINAL_OUTCOMES

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
class SweepState:
    """A sweep as its journal tells it."""

    name: str = ""
    facts: SweepFacts = field(default_factory=SweepFacts)
    closed: Closed | None = None
    trials: dict[TrialKey, SweepTrial] = field(default_factory=dict)
    _plan: Plan | None = None

    def apply(self, event: Event) -> None:
        """Take one more event into account."""
        if isinstance(event, Started):
            self.name, self.facts, self.closed = event.sweep, read_facts(event.facts), None
            self._plan = _read_plan(event)
        elif isinstance(event, Closed):
            self.closed = event
        elif isinstance(event, Asked):
            key = TrialKey(self.name, event.cell, event.number)
            self.trials[key] = SweepTrial(key, event)
        elif isinstance(event, Reported):
            self.trial(event).report(event)
        elif isinstance(event, Ended):
            trial = self.trial(event)
            trial.ended = event
            trial.was_killed = trial.was_killed or event.outcome == "killed"

    @property
    def plan(self) -> Plan:
        """The plan, as the driver process that took the sweep up last had it.

        Raises:
            JournalError: no driver process has begun the sweep.
        """
        if self._plan is None:
            raise JournalError("the journal tells of no sweep", "start it without --resume")
        return self._plan

    def trial(self, event: Reported | Ended) -> SweepTrial:
        """The trial that `event` belongs to."""
        return self.trials[TrialKey(self.name, event.cell, event.number)]

    def search_trials(self, cell: str) -> list[SweepTrial]:
        """The search's trials of one cell, in the order of their numbers."""
        return [trial for key, trial in sorted(self.trials.items()) if key.cell == cell and trial.stage == SEARCH]

    def final_trials(self) -> list[SweepTrial]:
        """The trials of the final evaluation, by cell and number; selection does not see them."""
        return self._of_stage(FINAL)

    def ablation_trials(self) -> list[SweepTrial]:
        """The trials of an ablation, by cell and number."""
        return self._of_stage(ABLATION)

    def unsearched_trials(self) -> list[SweepTrial]:
        """All that was not searched but planned: a configuration trained anew over splits, folds and seeds."""
        return self.final_trials() + self.ablation_trials()

    def _of_stage(self, stage: str) -> list[SweepTrial]:
        return [trial for _, trial in sorted(self.trials.items()) if trial.stage == stage]

    def best_of_cell(self, cell: str) -> SweepTrial | None:
        """The search's completed trial with the best validation UAR; test figures play no part."""
        completed = [trial for trial in self.search_trials(cell) if trial.outcome == "completed"]
        return choose_best_trial(completed)


def _merit(report: Reported) -> tuple[float, float, int]:
    return report.metrics["val_uar"], -report.metrics["val_loss"], -report.epoch


def choose_best_trial(trials: Iterable[SweepTrial]) -> SweepTrial | None:
    """The trial whose best epoch leads by validation UAR, then by validation loss, then by its number."""

    def rank(trial: SweepTrial) -> tuple[float, float, int]:
        assert trial.best is not None
        return trial.best.metrics["val_uar"], -trial.best.metrics["val_loss"], -trial.key.number

    return max((trial for trial in trials if trial.best), key=rank, default=None)


def replay(path: Path) -> SweepState:
    """The sweep that the journal at `path` tells.

    Raises:
        JournalError: missing or damaged.
    """
    if not path.exists():
        raise JournalError(f"there is no journal at {path}: check the name of the sweep, or start it without --resume")
    record = SweepState()
    for _, event in read_events(path):
        record.apply(event)
    return record


def _read_plan(event: Started) -> Plan:
    try:
        return parse_plan(event.plan)
    except UserError as error:
        raise JournalError(
            f"the plan of sweep '{event.sweep}' is of another version of ser ({error})",
            "use that version, or start a new sweep",
        ) from None
