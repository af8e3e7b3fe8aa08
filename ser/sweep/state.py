"""State of a sweep, computed from the events of its journal: facts, plan, trials and their outcomes."""

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
"""Outcomes of trials that a resumed sweep does not run again."""


@dataclass
class SweepTrial:
    """State of one trial; only two of its reports are kept, so that long sweeps need little memory.

    Attributes:
        key: key of the trial.
        asked: the event that began it, with its settings.
        best: the epoch whose weights are kept: highest validation UAR, then lowest validation loss, then the first.
        last: the newest epoch.
        ended: the event that ended it; None while it is open.
        was_killed: it was interrupted at least once.
    """

    key: TrialKey
    asked: Asked
    best: Reported | None = None
    last: Reported | None = None
    ended: Ended | None = None
    was_killed: bool = False

    @property
    def stage(self) -> str:
        """`search`, `final` for the final evaluation, or `ablation`."""
        return self.asked.stage

    @property
    def title(self) -> str:
        """Title such as 'vgg16-2d 003' or 'vgg16-2d final assignment 0 seed 1'; in an ablation with its variant."""
        if self.stage == SEARCH:
            return self.key.short
        part = self.asked.variant or self.stage
        return f"{self.key.cell} {part} {self.split.name} {self.split.fold} seed {self.seed}"

    @cached_property
    def split(self) -> Split:
        """Split of its training, with fold and seed."""
        prefix = "split."
        values = self.asked.values.items()
        return with_values(Split(), {name.removeprefix(prefix): v for name, v in values if name.startswith(prefix)})

    @property
    def seed(self) -> int:
        """Seed of its training."""
        return int(self.asked.values["training.seed"])

    @cached_property
    def experiment(self) -> Experiment:
        """Experiment that it trains.

        Raises:
            JournalError: another version of ser wrote its settings.
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
        """True where it has ended for good, so that a resumed sweep does not run it again."""
        return self.outcome in TERMINAL_OUTCOMES

    @property
    def n_epochs(self) -> int:
        """Number of epochs reported so far."""
        return self.last.epoch if self.last else 0

    def report(self, event: Reported) -> None:
        """Add the report of an epoch; adding it again changes nothing."""
        if event.epoch > self.n_epochs:
            self.last = event
        self.best = max(filter(None, (self.best, event)), key=_rank_report)


@dataclass
class SweepState:
    """State of a sweep; applying the events of its journal in order brings it up to date.

    Attributes:
        name: name of the sweep; '' before its first event.
        facts: facts of the driver process that started or resumed it last.
        closed: the event that closed it; None while a driver process runs it, or after that process has died.
        trials: its trials, in the order in which they began.
    """

    name: str = ""
    facts: SweepFacts = field(default_factory=SweepFacts)
    closed: Closed | None = None
    trials: dict[TrialKey, SweepTrial] = field(default_factory=dict)
    _plan: Plan | None = None

    def apply(self, event: Event) -> None:
        """Update the state by the next event."""
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
        """Plan of the driver process that started or resumed the sweep last.

        Raises:
            JournalError: the journal holds no start of a sweep.
        """
        if self._plan is None:
            raise JournalError("the journal holds no sweep", "start it without --resume")
        return self._plan

    def trial(self, event: Reported | Ended) -> SweepTrial:
        """Return the trial that `event` belongs to."""
        return self.trials[TrialKey(self.name, event.cell, event.number)]

    def search_trials(self, cell: str) -> list[SweepTrial]:
        """Trials of the search in one cell, by number."""
        return [trial for key, trial in sorted(self.trials.items()) if key.cell == cell and trial.stage == SEARCH]

    def final_trials(self) -> list[SweepTrial]:
        """Trials of the final evaluation, by cell and number; selection does not use them."""
        return self._of_stage(FINAL)

    def ablation_trials(self) -> list[SweepTrial]:
        """Trials of an ablation, by cell and number."""
        return self._of_stage(ABLATION)

    def unsearched_trials(self) -> list[SweepTrial]:
        """Trials that were planned instead of searched: those of a final evaluation, or of an ablation."""
        return self.final_trials() + self.ablation_trials()

    def _of_stage(self, stage: str) -> list[SweepTrial]:
        return [trial for _, trial in sorted(self.trials.items()) if trial.stage == stage]

    def best_of_cell(self, cell: str) -> SweepTrial | None:
        """Best completed trial of the search in one cell by validation UAR; test metrics are not used."""
        completed = [trial for trial in self.search_trials(cell) if trial.outcome == "completed"]
        return choose_best_trial(completed)


def _rank_report(report: Reported) -> tuple[float, float, int]:
    return report.metrics["val_uar"], -report.metrics["val_loss"], -report.epoch


def choose_best_trial(trials: Iterable[SweepTrial]) -> SweepTrial | None:
    """Choose the trial with the best epoch: highest validation UAR, then lowest validation loss, then first number."""

    def rank(trial: SweepTrial) -> tuple[float, float, int]:
        assert trial.best is not None
        return trial.best.metrics["val_uar"], -trial.best.metrics["val_loss"], -trial.key.number

    return max((trial for trial in trials if trial.best), key=rank, default=None)


def replay(path: Path) -> SweepState:
    """Read the state of a sweep from the journal at `path`.

    Raises:
        JournalError: the journal is missing, damaged, or of another version.
    """
    if not path.exists():
        raise JournalError(
            f"there is no journal at {path}", "check the name of the sweep, or start it without --resume"
        )
    state = SweepState()
    for _, event in read_events(path):
        state.apply(event)
    return state


def _read_plan(event: Started) -> Plan:
    try:
        return parse_plan(event.plan)
    except UserError as error:
        raise JournalError(
            f"the plan of sweep '{event.sweep}' is of another version of ser ({error})",
            "use that version, or start a new sweep",
        ) from None
