"""Decides what a sweep does next: which trial, whether it goes on, how it ended. Knows no Ray.

First comes the search; when all of its trials have ended, the best of each cell is trained anew in the final
evaluation, of which neither studies nor rungs hear anything. An ablation has no search: its trainings come at once.

Everything that it decides is in the journal before anyone acts on it, and a controller made from a journal stands where
the last one stood: same studies, same rungs, interrupted trials first in the queue.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ser.experiment.experiment import Experiment
from ser.settings.ranges import Value
from ser.sweep.final_evaluation import PlannedTraining
from ser.sweep.journal import (
    ABLATION,
    FINAL,
    SEARCH,
    Asked,
    Closed,
    Ended,
    Event,
    Journal,
    JournalError,
    Reported,
    TrialKey,
    read_events,
)
from ser.sweep.plan import Plan
from ser.sweep.state import SweepState, SweepTrial
from ser.sweep.study import Study
from ser.sweep.successive_halving import Rungs

GLOBAL = "global"


@dataclass(frozen=True)
class NextTrial:
    """A trial to run: its key, the experiment that it trains, the stage of the sweep, and the ablation's variant."""

    key: TrialKey
    experiment: Experiment
    stage: str = SEARCH
    variant: str = ""


class Controller:
    """The state of one sweep, from its journal on.

    Args:
        journal: open for appending, its `Started` event already written.
        plan: what the sweep does.
        trainings: what the final evaluation does with the best of each cell, or an ablation with its defaults.
    """

    def __init__(self, journal: Journal, plan: Plan, trainings: Sequence[PlannedTraining] = ()) -> None:
        self.state = SweepState()
        self.failure: JournalError | None = None
        self.plan = plan
        self._journal = journal
        self._trainings = trainings
        self._experiments = plan.experiments
        self._spaces = plan.search_spaces
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
        """Trials of the whole sweep, as planned: until the search is over, of a final evaluation of every cell."""
        n_finals = len(self.state.unsearched_trials())
        if self._is_searched():
            return self.plan.n_searched + n_finals + len(self.cells_to_test())
        return self.plan.n_searched + len(self._trainings) * len(self._experiments)

    @property
    def is_waiting(self) -> bool:
        """Whether there will be more to ask for when what is under way has ended: the search's last trials."""
        return bool(self._trainings) and not self._is_searched()

    def cells_to_test(self) -> list[str]:
        """The cell of each training that the final evaluation has not asked for yet; none before the search is over."""
        return [cell for cell, _ in self._trainings_to_ask()] if self._is_searched() else []

    def next_trial(self) -> NextTrial | None:
        """The next trial to run, interrupted ones first, then the cells in turn.

        None when all have been asked for, or when the final evaluation waits for the search to end.
        """
        if self._interrupted:
            key = self._interrupted.popleft()
            return self._again(self.state.trials[key])
        if self._n_searched() < self.plan.n_searched:
            return self._next_searched()
        return self._next_final() if self._is_searched() else None

    def _next_searched(self) -> NextTrial:
        group = min(self._studies, key=self._n_asked)
        key, searched = self._studies[group].ask(self.state.name, self._n_asked(group))
        experiment = self._experiments[key.cell].with_values(searched)
        return self._ask(NextTrial(key, experiment), searched)

    def _next_final(self) -> NextTrial | None:
        cell, final = next(self._trainings_to_ask(), (None, None))
        if cell is None or final is None:
            return None
        best = self.state.best_of_cell(cell)
        chosen = best.asked.values if best else {}
        number = 1 + max((key.number for key in self.state.trials if key.cell == cell), default=-1)
        experiment = self._experiments[cell].with_values({**chosen, **final.values()})
        stage = ABLATION if self.plan.is_ablation else FINAL
        return self._ask(NextTrial(TrialKey(self.state.name, cell, number), experiment, stage, final.variant), {})

    def _trainings_to_ask(self) -> Iterator[tuple[str, PlannedTraining]]:
        """What has not been asked for yet, the cells in turn; none of a cell whose search has no result."""
        asked = [trial.asked for trial in self.state.unsearched_trials()]
        cells = [cell for cell in self._experiments if self.plan.is_ablation or self.state.best_of_cell(cell)]
        for final in self._trainings:
            done = {event.cell for event in asked if final.matches(event)}
            yield from ((cell, final) for cell in cells if cell not in done)

    def _ask(self, ask: NextTrial, searched: dict[str, Value]) -> NextTrial:
        self._append(Asked(ask.key.cell, ask.key.number, ask.experiment.flat(), searched, ask.stage, ask.variant))
        self._open.add(ask.key)
        return ask

    def report(self, event: Reported) -> bool:
        """File the report of an epoch; False if the trial is to stop here.

        A report that a resumed trial makes a second time changes nothing: what was decided then stands.
        """
        trial = self.state.trial(event)
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
        self._open.discard(self.state.trial(event).key)

    def check_room(self) -> None:
        """Refuse to go on where the disk of the journal is full.

        Raises:
            JournalError: less than a mebibyte is free.
        """
        self._journal.check_room()

    def open_trials(self) -> list[TrialKey]:
        """Trials that this driver has asked for and that have not ended."""
        return sorted(self._open)

    def is_finished(self) -> bool:
        """Whether every planned trial has ended for good."""
        if not (self._is_searched() and all(trial.is_terminal for trial in self.state.unsearched_trials())):
            return False
        return next(self._trainings_to_ask(), None) is None

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
        for trial in [trial for trial in self.state.trials.values() if not trial.is_terminal]:
            # A trial taken up again keeps its old end in the journal, whatever its rungs decided since.
            if trial.ended is None or self.was_pruned(trial.key):
                self._cut_off(trial.key, "the driver died")
        return [trial.key for trial in self.state.trials.values() if not trial.is_terminal]

    def _cut_off(self, key: TrialKey, reason: str) -> None:
        """End a trial that cannot: killed, to be taken up again, unless a rung had stopped it."""
        outcome = "pruned" if self.was_pruned(key) else "killed"
        self.end(Ended(key.cell, key.number, outcome, reason))

    def _append(self, event: Event) -> None:
        self._checked(lambda: self._journal.append(event))
        self.state.apply(event)

    def _checked(self, action: Callable[[], None]) -> None:
        """Keep what the journal says against it: Tune wraps what its hooks raise."""
        try:
            action()
        except JournalError as error:
            self.failure = error
            raise

    def _replay(self, event: Event) -> None:
        self.state.apply(event)
        if isinstance(event, Asked) and event.stage == SEARCH:
            self._studies[self._group(event.cell)].ask(self.state.name, event.number, replayed=event)
        elif isinstance(event, Reported):
            self._rung(event)
        elif isinstance(event, Ended):
            self._tell(event)

    def _rung(self, event: Reported) -> bool:
        if self.state.trial(event).stage != SEARCH:
            return True
        rungs = self._rungs[self._group(event.cell)]
        goes_on = rungs.record(epoch=event.epoch, score=event.metrics["val_uar"]) or event.last
        if not goes_on:
            self._pruned.add(self.state.trial(event).key)
        return goes_on

    def _tell(self, event: Ended) -> None:
        trial = self.state.trial(event)
        if trial.is_terminal and trial.stage == SEARCH:
            self._studies[self._group(event.cell)].tell(trial)

    def _again(self, trial: SweepTrial) -> NextTrial:
        self._open.add(trial.key)
        trial.ended = None
        experiment = self._experiments[trial.key.cell].with_values(trial.asked.values)
        return NextTrial(trial.key, experiment, trial.stage, trial.asked.variant)

    def _groups(self) -> dict[str, list[str]]:
        cells = list(self._experiments)
        return {GLOBAL: cells} if self.plan.search == GLOBAL else {cell: [cell] for cell in cells}

    def _group(self, cell: str) -> str:
        return GLOBAL if self.plan.search == GLOBAL else cell

    def _n_asked(self, group: str) -> int:
        trials = self.state.trials.values()
        return sum(trial.stage == SEARCH and self._group(trial.key.cell) == group for trial in trials)

    def _n_searched(self) -> int:
        return sum(trial.stage == SEARCH for trial in self.state.trials.values())

    def _is_searched(self) -> bool:
        """Whether every planned trial of the search has ended for good."""
        searched = [trial for trial in self.state.trials.values() if trial.stage == SEARCH]
        return len(searched) >= self.plan.n_searched and all(trial.is_terminal for trial in searched)

    def _study(self, cells: list[str]) -> Study:
        return Study(
            {cell: self._experiments[cell] for cell in cells},
            {cell: self._spaces[cell] for cell in cells},
            n_startup_trials=self.plan.n_startup_trials,
            seed=self.plan.seed,
        )

    def _new_rungs(self) -> Rungs:
        plan = self.plan
        return Rungs(grace=plan.grace_epochs, max_epochs=plan.max_epochs, reduction=plan.reduction)
