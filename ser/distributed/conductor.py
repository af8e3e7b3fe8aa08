"""Decides what a sweep does next: which trial, whether it goes on, how it ended. Knows no Ray.

Everything that it decides is in the journal before anyone acts on it, and a conductor made from a journal stands where
the last one stood: same studies, same rungs, interrupted trials first in the queue.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ser.config import Experiment
from ser.distributed.asha import Rungs
from ser.distributed.plan import Plan
from ser.distributed.search import Study
from ser.journal import Asked, Closed, Ended, Event, Journal, JournalError, Reported, TrialKey, read_events
from ser.replay import SweepRecord, TrialRecord

GLOBAL = "global"


@dataclass(frozen=True)
class Ask:
    """A trial to run: its key, and the experiment that it trains."""

    key: TrialKey
    experiment: Experiment


class Conductor:
    """The state of one sweep, from its journal on.

    Args:
        journal: open for appending, its `Started` event already written.
        plan: what the sweep does.
    """

    def __init__(self, journal: Journal, plan: Plan) -> None:
        self.record = SweepRecord()
        self.failure: JournalError | None = None
        self._journal = journal
        self._plan = plan
        self._experiments = plan.experiments()
        self._spaces = plan.spaces()
        self._studies = {group: self._study(cells) for group, cells in self._groups().items()}
        self._rungs = {group: self._new_rungs() for group in self._studies}
        self._open: set[TrialKey] = set()
        self._pruned: set[TrialKey] = set()
        for _, event in read_events(journal.path):
            self._replay(event)
        self._interrupted = deque(self._close_left_open())

    def __getstate__(self) -> dict[str, object]:
        """Nothing: Tune pickles all it is given for a restore of its own, and here the journal is what counts."""
        return {}

    @property
    def n_trials(self) -> int:
        """Trials of the whole sweep, as planned."""
        return self._plan.trials_per_cell * len(self._experiments)

    def next_trial(self) -> Ask | None:
        """The next trial to run, interrupted ones first, then the cells in turn; None when all have been asked for."""
        if self._interrupted:
            key = self._interrupted.popleft()
            return self._again(self.record.trials[key])
        group = min(self._studies, key=self._n_asked)
        number = self._n_asked(group)
        if len(self.record.trials) >= self.n_trials:
            return None
        key, searched = self._studies[group].ask(self.record.name, number)
        experiment = self._experiments[key.cell].with_values(searched)
        self._append(Asked(key.cell, key.number, experiment.flat(), searched))
        self._open.add(key)
        return Ask(key, experiment)

    def report(self, event: Reported) -> bool:
        """File the report of an epoch; False if the trial is to stop here.

        A report that a resumed trial makes a second time changes nothing: what was decided then stands.
        """
        trial = self.record.trial(event)
        if event.epoch <= trial.n_epochs:
            return not self.was_pruned(trial.key)
        self._append(event)
        return self._rung(event)

    def end(self, event: Ended) -> None:
        """File how a trial ended, and tell its study; where the disk is full it did not fail, it can go on later."""
        if event.outcome == "failed":
            self._checked(self._journal.check_room)
        self._append(event)
        self._tell(event)
        self._open.discard(self.record.trial(event).key)

    def open_trials(self) -> list[TrialKey]:
        """Trials that this driver has asked for and that have not ended."""
        return sorted(self._open)

    def is_finished(self) -> bool:
        """Whether every planned trial has ended for good."""
        trials = self.record.trials.values()
        return len(trials) >= self.n_trials and all(trial.is_final for trial in trials)

    def close(self, *, unfinished: str = "killed") -> None:
        """End what is open, and file that the sweep is finished, or else why it is `unfinished`."""
        for key in self.open_trials():
            self._cut_off(key, "the sweep was stopped")
        self._append(Closed("finished" if self.is_finished() else unfinished))

    def was_pruned(self, key: TrialKey) -> bool:
        """Whether a rung stopped the trial."""
        return key in self._pruned

    def _close_left_open(self) -> list[TrialKey]:
        """The trials to take up again; those that a dead driver left open are closed first."""
        for trial in [trial for trial in self.record.trials.values() if not trial.is_final]:
            # A trial taken up again keeps its old end in the journal, whatever its rungs decided since.
            if trial.ended is None or self.was_pruned(trial.key):
                self._cut_off(trial.key, "the driver died")
        return [trial.key for trial in self.record.trials.values() if not trial.is_final]

    def _cut_off(self, key: TrialKey, reason: str) -> None:
        """End a trial that cannot: killed, to be taken up again, unless a rung had stopped it."""
        outcome = "pruned" if self.was_pruned(key) else "killed"
        self.end(Ended(key.cell, key.number, outcome, reason))

    def _append(self, event: Event) -> None:
        self._checked(lambda: self._journal.append(event))
        self.record.apply(event)

    def _checked(self, action: Callable[[], None]) -> None:
        """Keep what the journal says against it: Tune wraps what its hooks raise."""
        try:
            action()
        except JournalError as error:
            self.failure = error
            raise

    def _replay(self, event: Event) -> None:
        self.record.apply(event)
        if isinstance(event, Asked):
            self._studies[self._group(event.cell)].ask(self.record.name, event.number, replayed=event)
        elif isinstance(event, Reported):
            self._rung(event)
        elif isinstance(event, Ended):
            self._tell(event)

    def _rung(self, event: Reported) -> bool:
        rungs = self._rungs[self._group(event.cell)]
        goes_on = rungs.record(epoch=event.epoch, score=event.metrics["val_uar"]) or event.last
        if not goes_on:
            self._pruned.add(self.record.trial(event).key)
        return goes_on

    def _tell(self, event: Ended) -> None:
        trial = self.record.trial(event)
        if trial.is_final:
            self._studies[self._group(event.cell)].tell(trial)

    def _again(self, trial: TrialRecord) -> Ask:
        self._open.add(trial.key)
        trial.ended = None
        experiment = self._experiments[trial.key.cell].with_values(trial.asked.values)
        return Ask(trial.key, experiment)

    def _groups(self) -> dict[str, list[str]]:
        cells = list(self._experiments)
        return {GLOBAL: cells} if self._plan.search == GLOBAL else {cell: [cell] for cell in cells}

    def _group(self, cell: str) -> str:
        return GLOBAL if self._plan.search == GLOBAL else cell

    def _n_asked(self, group: str) -> int:
        return sum(self._group(key.cell) == group for key in self.record.trials)

    def _study(self, cells: list[str]) -> Study:
        return Study(
            {cell: self._experiments[cell] for cell in cells},
            {cell: self._spaces[cell] for cell in cells},
            n_startup_trials=self._plan.n_startup_trials,
            seed=self._plan.seed,
        )

    def _new_rungs(self) -> Rungs:
        plan = self._plan
        return Rungs(grace=plan.grace_epochs, max_epochs=plan.max_epochs, reduction=plan.reduction)
