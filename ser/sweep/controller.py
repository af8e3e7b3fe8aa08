"""Controller of a sweep: chooses the next trial, stops weak ones, and records how each ends. Does not import Ray.

The search comes first. When all of its trials have ended, the final evaluation trains the best configuration of each
cell again; neither studies nor rungs get its reports. An ablation has no search, so its trainings begin at once.

Every decision is written to the journal before anyone acts on it. A controller made from a journal has the state that
the previous one had: same studies, same rungs, interrupted trials first in the queue.
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
    """Decisions of one sweep, from its journal on.

    Args:
        journal: open for appending, its `Started` event already written.
        plan: plan of the sweep.
        trainings: trainings that follow the search: of the best configuration of each cell in a final evaluation, of
            the cell's defaults in an ablation.

    Attributes:
        state: the sweep so far, kept up to date with the journal.
        failure: the last error of the journal; None while there was none.
        plan: plan of the sweep.

    Raises:
        JournalError: the journal is damaged, or cannot be written.
    """

    def __init__(self, journal: Journal, plan: Plan, trainings: Sequence[PlannedTraining] = ()) -> None:
        self.state = SweepState()
        self.failure: JournalError | None = None
        self.plan = plan
        self._journal = journal
        self._trainings = trainings
        self._experiments = plan.experiments
        self._spaces = plan.search_spaces
        self._studies = {group: self._make_study(cells) for group, cells in self._group_cells().items()}
        self._rungs = {group: self._make_rungs() for group in self._studies}
        self._open: set[TrialKey] = set()
        self._pruned: set[TrialKey] = set()
        for _, event in read_events(journal.path):
            self._replay(event)
        self._interrupted = deque(self._end_interrupted_trials())

    def __getstate__(self) -> dict[str, object]:
        """Nothing: Tune pickles its callbacks to restore them, but a sweep is resumed from its journal."""
        return {}

    @property
    def n_trials(self) -> int:
        """Number of trials of the whole sweep; a final evaluation of every cell is assumed until the search is over."""
        n_trained = len(self.state.unsearched_trials())
        if self._is_searched():
            return self.plan.n_searched + n_trained + len(self.cells_to_test())
        return self.plan.n_searched + len(self._trainings) * len(self._experiments)

    @property
    def is_waiting(self) -> bool:
        """True while the final evaluation waits for the last trials of the search."""
        return bool(self._trainings) and not self._is_searched()

    def cells_to_test(self) -> list[str]:
        """Cell of each training of the final evaluation that has not begun; none before the search is over."""
        return [cell for cell, _ in self._pending_trainings()] if self._is_searched() else []

    def next_trial(self) -> NextTrial | None:
        """Choose the next trial to run, interrupted ones first, then the cells in turn.

        Returns:
            None when all trials have begun, or when the final evaluation waits for the search to end.

        Raises:
            JournalError: the journal cannot be written.
        """
        if self._interrupted:
            key = self._interrupted.popleft()
            return self._resume_trial(self.state.trials[key])
        if self._count_searched() < self.plan.n_searched:
            return self._next_searched()
        return self._next_training() if self._is_searched() else None

    def _next_searched(self) -> NextTrial:
        group = min(self._studies, key=self._count_searched)
        key, searched = self._studies[group].ask(self.state.name, self._count_searched(group))
        experiment = self._experiments[key.cell].with_values(searched)
        return self._start(NextTrial(key, experiment), searched)

    def _next_training(self) -> NextTrial | None:
        cell, training = next(self._pending_trainings(), (None, None))
        if cell is None or training is None:
            return None
        best = self.state.best_of_cell(cell)
        chosen = best.asked.values if best else {}
        number = 1 + max((key.number for key in self.state.trials if key.cell == cell), default=-1)
        experiment = self._experiments[cell].with_values({**chosen, **training.values()})
        stage = ABLATION if self.plan.is_ablation else FINAL
        return self._start(NextTrial(TrialKey(self.state.name, cell, number), experiment, stage, training.variant), {})

    def _pending_trainings(self) -> Iterator[tuple[str, PlannedTraining]]:
        """Trainings that have not begun, the cells in turn; none of a cell whose search has no result."""
        asked = [trial.asked for trial in self.state.unsearched_trials()]
        cells = [cell for cell in self._experiments if self.plan.is_ablation or self.state.best_of_cell(cell)]
        for training in self._trainings:
            done = {event.cell for event in asked if training.matches(event)}
            yield from ((cell, training) for cell in cells if cell not in done)

    def _start(self, trial: NextTrial, searched: dict[str, Value]) -> NextTrial:
        key = trial.key
        self._append(Asked(key.cell, key.number, trial.experiment.flat(), searched, trial.stage, trial.variant))
        self._open.add(key)
        return trial

    def report(self, event: Reported) -> bool:
        """Record the report of an epoch; False if the trial is to stop here.

        A report that a resumed trial repeats changes nothing: the earlier decision holds.

        Raises:
            JournalError: the journal cannot be written.
        """
        trial = self.state.trial(event)
        if event.epoch <= trial.n_epochs:
            return not self.was_pruned(trial.key)
        self._append(event)
        return self._apply_rungs(event)

    def end(self, event: Ended) -> None:
        """Record how a trial ended, and report it to its study.

        Raises:
            JournalError: the journal cannot be written. A trial that failed because the disk is full raises it too, so
                that it stays open and is resumed later.
        """
        if event.outcome == "failed":
            self._keep_failure(self._journal.check_room)
        self._append(event)
        self._report_end(event)
        self._open.discard(self.state.trial(event).key)

    def check_room(self) -> None:
        """Refuse to continue where the disk of the journal is full.

        Raises:
            JournalError: less than a mebibyte is free.
        """
        self._journal.check_room()

    def open_trials(self) -> list[TrialKey]:
        """Trials that this driver process has begun and that have not ended, sorted."""
        return sorted(self._open)

    def is_finished(self) -> bool:
        """Check that every planned trial has ended for good."""
        if not (self._is_searched() and all(trial.is_terminal for trial in self.state.unsearched_trials())):
            return False
        return next(self._pending_trainings(), None) is None

    def close(self, *, unfinished: str = "killed") -> None:
        """End the open trials, and record that the sweep is closed.

        Args:
            unfinished: outcome of a sweep that is not finished.

        Raises:
            JournalError: the journal cannot be written.
        """
        for key in self.open_trials():
            self._interrupt(key, "the sweep was stopped")
        self._append(Closed("finished" if self.is_finished() else unfinished))

    def was_pruned(self, key: TrialKey) -> bool:
        """Check whether a rung stopped the trial."""
        return key in self._pruned

    def _end_interrupted_trials(self) -> list[TrialKey]:
        """End the trials that a dead driver process left open; return all that are to be resumed."""
        for trial in [trial for trial in self.state.trials.values() if not trial.is_terminal]:
            # A resumed trial keeps its old end in the journal, whatever its rungs have decided since.
            if trial.ended is None or self.was_pruned(trial.key):
                self._interrupt(trial.key, "the driver died")
        return [trial.key for trial in self.state.trials.values() if not trial.is_terminal]

    def _interrupt(self, key: TrialKey, reason: str) -> None:
        """End a trial from outside: `pruned` where a rung had stopped it, else `killed`, which is resumed later."""
        outcome = "pruned" if self.was_pruned(key) else "killed"
        self.end(Ended(key.cell, key.number, outcome, reason))

    def _append(self, event: Event) -> None:
        self._keep_failure(lambda: self._journal.append(event))
        self.state.apply(event)

    def _keep_failure(self, action: Callable[[], None]) -> None:
        """Run an action on the journal and keep its error, because Tune wraps whatever its hooks raise."""
        try:
            action()
        except JournalError as error:
            self.failure = error
            raise

    def _replay(self, event: Event) -> None:
        self.state.apply(event)
        if isinstance(event, Asked) and event.stage == SEARCH:
            self._studies[self._group_of(event.cell)].ask(self.state.name, event.number, replayed=event)
        elif isinstance(event, Reported):
            self._apply_rungs(event)
        elif isinstance(event, Ended):
            self._report_end(event)

    def _apply_rungs(self, event: Reported) -> bool:
        """Let the rungs of the cell decide; True if the trial is to continue."""
        if self.state.trial(event).stage != SEARCH:
            return True
        rungs = self._rungs[self._group_of(event.cell)]
        continues = rungs.record(epoch=event.epoch, score=event.metrics["val_uar"]) or event.last
        if not continues:
            self._pruned.add(self.state.trial(event).key)
        return continues

    def _report_end(self, event: Ended) -> None:
        trial = self.state.trial(event)
        if trial.is_terminal and trial.stage == SEARCH:
            self._studies[self._group_of(event.cell)].tell(trial)

    def _resume_trial(self, trial: SweepTrial) -> NextTrial:
        self._open.add(trial.key)
        trial.ended = None
        experiment = self._experiments[trial.key.cell].with_values(trial.asked.values)
        return NextTrial(trial.key, experiment, trial.stage, trial.asked.variant)

    def _group_cells(self) -> dict[str, list[str]]:
        """Cells that share a study, by the name of their group."""
        cells = list(self._experiments)
        return {GLOBAL: cells} if self.plan.search == GLOBAL else {cell: [cell] for cell in cells}

    def _group_of(self, cell: str) -> str:
        return GLOBAL if self.plan.search == GLOBAL else cell

    def _count_searched(self, group: str | None = None) -> int:
        """Count the trials of the search that have begun, of one group or of all."""
        searched = (trial for trial in self.state.trials.values() if trial.stage == SEARCH)
        return sum(group in (None, self._group_of(trial.key.cell)) for trial in searched)

    def _is_searched(self) -> bool:
        """Check that every planned trial of the search has ended for good."""
        searched = [trial for trial in self.state.trials.values() if trial.stage == SEARCH]
        return len(searched) >= self.plan.n_searched and all(trial.is_terminal for trial in searched)

    def _make_study(self, cells: list[str]) -> Study:
        return Study(
            {cell: self._experiments[cell] for cell in cells},
            {cell: self._spaces[cell] for cell in cells},
            n_startup_trials=self.plan.n_startup_trials,
            seed=self.plan.seed,
        )

    def _make_rungs(self) -> Rungs:
        plan = self.plan
        return Rungs(grace=plan.grace_epochs, max_epochs=plan.max_epochs, reduction=plan.reduction)
