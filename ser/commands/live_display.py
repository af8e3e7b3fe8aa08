"""What the user sees while a sweep runs: progress, time left, the leaderboard so far."""

import time
from collections import Counter
from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ser.console import format_duration
from ser.report.leaderboard import make_leaderboard_table, rank_cells
from ser.sweep.controller import GLOBAL, Controller
from ser.sweep.journal import ABLATION, FINAL, SEARCH, Ended
from ser.sweep.state import TERMINAL_OUTCOMES, SweepState, SweepTrial

_LINE_EVERY_S = 30.0
_TABLE_EVERY_S = 180.0
_REDRAW_EVERY_S = 1.0


class Display:
    """A live table on a terminal; elsewhere a line per ended trial, and progress and table now and then.

    Args:
        console: where to write.
        record: the sweep, kept up to date by the controller.
        n_searched: trials of the search.
        n_trials: tells the trials of the whole sweep, final evaluation included, as planned now.
        n_slots: trials that run at a time.
        budget_s: seconds after which the sweep stops, or None.
    """

    def __init__(
        self,
        console: Console,
        record: SweepState,
        *,
        n_searched: int,
        n_trials: Callable[[], int],
        n_slots: int,
        budget_s: float | None,
    ) -> None:
        self._console = console
        self._record = record
        self._n_searched = n_searched
        self._n_trials = n_trials
        self._n_slots = n_slots
        self._budget_s = budget_s
        self._started = self._drawn = self._table_drawn = time.monotonic()
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __getstate__(self) -> dict[str, object]:
        """Nothing: Tune pickles all it is given, and a display has nothing to restore."""
        return {}

    def __enter__(self) -> "Display":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def refresh(self) -> None:
        """Redraw, if it is time to."""
        now = time.monotonic()
        if now - self._drawn < (_REDRAW_EVERY_S if self._live else _LINE_EVERY_S):
            return
        self._drawn = now
        if self._live is not None:
            self._live.update(Group(*self._leaderboard(), *map(Text, [self.status(), *self._running()])), refresh=True)
            return
        if now - self._table_drawn >= _TABLE_EVERY_S:
            self._table_drawn = now
            self._console.print(*self._leaderboard())
        self._console.print(self.status())

    def show_end(self, event: Ended) -> None:
        """A line for a trial that ended."""
        trial = self._record.trial(event)
        best = f"best val UAR {100 * trial.best.metrics['val_uar']:.1f} %" if trial.best else "no epoch finished"
        reason = f" ({event.reason})" if event.reason else ""
        line = f"{trial.title:<16} {event.outcome:<9} after {trial.n_epochs:>2} epochs, {best}{reason}"
        self._console.print(Text(line))

    def status(self) -> str:
        """One line: trials done, by outcome, time gone and time left."""
        outcomes = Counter(trial.outcome for trial in self._record.trials.values())
        done = sum(outcomes[outcome] for outcome in TERMINAL_OUTCOMES)
        counts = ", ".join(f"{outcomes[outcome]} {outcome}" for outcome in TERMINAL_OUTCOMES if outcomes[outcome])
        gone = time.monotonic() - self._started
        left = self._time_left(gone)
        left_text = f"about {format_duration(left)} left" if left is not None else "time left not known yet"
        finished = f"{done} of {self._n_trials()} trials done ({counts or 'none yet'})"
        return f"{finished}, {format_duration(gone)} gone, {left_text}"

    def _leaderboard(self) -> list[Table]:
        rows = rank_cells(self._record)
        return [make_leaderboard_table(rows)] if rows else []

    def _running(self) -> list[str]:
        open_trials = [trial for trial in self._record.trials.values() if trial.outcome == "open"]
        return [f"  {t.title}: epoch {t.n_epochs}" for t in open_trials]

    def _time_left(self, gone: float) -> float | None:
        """From the time that ended trials of the same cell took, else of any cell; never beyond the budget."""
        took = _durations(self._record)
        if not took:
            return None
        is_open = [trial for trial in self._record.trials.values() if not trial.is_terminal]
        left = sum(self._left_of(trial, _expected(took, trial.key.cell, trial.stage)) for trial in is_open)
        left += sum(n_trials * _expected(took, *kind) for kind, n_trials in self._not_asked().items())
        n_left = self._n_trials() - len(self._record.trials) + len(is_open)
        left /= max(1, min(self._n_slots, n_left))
        return left if self._budget_s is None else min(left, max(0.0, self._budget_s - gone))

    def _left_of(self, trial: SweepTrial, mean: float) -> float:
        """Seconds that an open trial will take yet: one that outlives the others goes on to its last epoch."""
        elapsed = 0.0 if trial.was_killed else time.time() - trial.asked.time_s
        if elapsed < mean or trial.last is None:
            return max(0.0, mean - elapsed)
        return float((self._record.plan.max_epochs - trial.n_epochs) * trial.last.seconds)

    def _not_asked(self) -> dict[tuple[str, str], float]:
        """Trials of each cell and stage that are still to come."""
        cells = self._record.plan.cells
        n_asked = Counter(trial.key.cell for trial in self._record.trials.values() if trial.stage == SEARCH)
        n_repeats = self._n_trials() - self._n_searched - len(self._record.unsearched_trials())
        stage = ABLATION if self._record.plan.is_ablation else FINAL
        left = {(cell, stage): n_repeats / len(cells) for cell in cells}
        if self._record.plan.search == GLOBAL:
            return left | {(cell, SEARCH): (self._n_searched - n_asked.total()) / len(cells) for cell in cells}
        return left | {(cell, SEARCH): self._n_searched / len(cells) - n_asked[cell] for cell in cells}


def _expected(took: dict[tuple[str, str], list[float]], cell: str, stage: str) -> float:
    """Seconds of a trial to come. No final one is pruned: without any, the longest of its cell's search tells."""
    if (cell, stage) in took:
        return sum(took[cell, stage]) / len(took[cell, stage])
    if stage == FINAL and (cell, SEARCH) in took:
        return max(took[cell, SEARCH])
    return sum(map(sum, took.values())) / sum(map(len, took.values()))


def _durations(record: SweepState) -> dict[tuple[str, str], list[float]]:
    """Seconds of the ended trials of each cell and stage."""
    took: dict[tuple[str, str], list[float]] = {}
    for key, trial in record.trials.items():
        # The time of a trial that was taken up again holds the pause.
        if trial.is_terminal and trial.ended and not trial.was_killed:
            took.setdefault((key.cell, trial.stage), []).append(trial.ended.time_s - trial.asked.time_s)
    return took


def announce_trainings(controller: Controller, n_slots: int, console: Console) -> None:
    """Print how much is planned after the search or without one, and how long that takes where the search tells it."""
    plan, cells = controller.plan, controller.cells_to_test()
    if plan.is_ablation:
        console.print(f"Ablation: {len(cells)} trainings of {len(plan.variants) + 1} variants, baseline included")
    elif controller.is_waiting:
        n_trials = controller.n_trials - plan.n_searched
        console.print(f"Final evaluation after the search: {n_trials} trainings (--dry-run estimates their time)")
    elif cells:
        best = {cell: controller.state.best_of_cell(cell) for cell in set(cells)}
        took = {cell: trial.ended.test["train_seconds"] for cell, trial in best.items() if trial and trial.ended}
        left = format_duration(sum(took[cell] for cell in cells) / min(n_slots, len(cells)))
        console.print(f"Final evaluation: {len(cells)} trainings, about {left} with {n_slots} at a time")
