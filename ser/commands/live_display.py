"""Live display of a running sweep: progress, time left, the leaderboard so far."""

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
    """A live table on a terminal; in a log a line per ended trial, with occasional progress lines and tables.

    Args:
        console: where to print.
        state: the sweep, kept up to date by the controller.
        n_searched: number of trials of the search.
        n_trials: returns the number of trials of the whole sweep, final evaluation included, as planned now.
        n_slots: trials that run at a time.
        budget_s: seconds after which the sweep stops; None for no limit.
    """

    def __init__(
        self,
        console: Console,
        state: SweepState,
        *,
        n_searched: int,
        n_trials: Callable[[], int],
        n_slots: int,
        budget_s: float | None,
    ) -> None:
        self._console = console
        self._state = state
        self._n_searched = n_searched
        self._n_trials = n_trials
        self._n_slots = n_slots
        self._budget_s = budget_s
        self._started = self._drawn = self._table_drawn = time.monotonic()
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __getstate__(self) -> dict[str, object]:
        """Return an empty state: Tune pickles its callbacks, and a display has nothing to restore."""
        return {}

    def __enter__(self) -> "Display":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def refresh(self) -> None:
        """Redraw the table or print a progress line, if it is time to."""
        now = time.monotonic()
        if now - self._drawn < (_REDRAW_EVERY_S if self._live else _LINE_EVERY_S):
            return
        self._drawn = now
        if self._live is not None:
            self._live.update(
                Group(*self._make_leaderboard(), *map(Text, [self.status(), *self._list_running()])), refresh=True
            )
            return
        if now - self._table_drawn >= _TABLE_EVERY_S:
            self._table_drawn = now
            self._console.print(*self._make_leaderboard())
        self._console.print(self.status())

    def show_end(self, event: Ended) -> None:
        """Print a line about a trial that has ended."""
        trial = self._state.trial(event)
        best = f"best val UAR {100 * trial.best.metrics['val_uar']:.1f} %" if trial.best else "no epoch finished"
        reason = f" ({event.reason})" if event.reason else ""
        line = f"{trial.title:<16} {event.outcome:<9} after {trial.n_epochs:>2} epochs, {best}{reason}"
        self._console.print(Text(line))

    def status(self) -> str:
        """Progress in one line: trials done by outcome, elapsed time and time left."""
        outcomes = Counter(trial.outcome for trial in self._state.trials.values())
        done = sum(outcomes[outcome] for outcome in TERMINAL_OUTCOMES)
        counts = ", ".join(f"{outcomes[outcome]} {outcome}" for outcome in TERMINAL_OUTCOMES if outcomes[outcome])
        elapsed_s = time.monotonic() - self._started
        left = self._estimate_time_left(elapsed_s)
        left_text = f"about {format_duration(left)} left" if left is not None else "time left not known yet"
        finished = f"{done} of {self._n_trials()} trials done ({counts or 'none yet'})"
        return f"{finished}, {format_duration(elapsed_s)} elapsed, {left_text}"

    def _make_leaderboard(self) -> list[Table]:
        rows = rank_cells(self._state)
        return [make_leaderboard_table(rows)] if rows else []

    def _list_running(self) -> list[str]:
        open_trials = [trial for trial in self._state.trials.values() if trial.outcome == "open"]
        return [f"  {t.title}: epoch {t.n_epochs}" for t in open_trials]

    def _estimate_time_left(self, elapsed_s: float) -> float | None:
        """Estimate from ended trials of the same cell, else of any cell; never beyond the time budget."""
        durations = _collect_durations(self._state)
        if not durations:
            return None
        open_trials = [trial for trial in self._state.trials.values() if not trial.is_terminal]
        left = sum(
            self._estimate_rest(trial, _estimate_duration(durations, trial.key.cell, trial.stage))
            for trial in open_trials
        )
        left += sum(n_trials * _estimate_duration(durations, *kind) for kind, n_trials in self._count_coming().items())
        n_left = self._n_trials() - len(self._state.trials) + len(open_trials)
        left /= max(1, min(self._n_slots, n_left))
        return left if self._budget_s is None else min(left, max(0.0, self._budget_s - elapsed_s))

    def _estimate_rest(self, trial: SweepTrial, mean: float) -> float:
        """Estimate the seconds left of an open trial: one older than the mean is expected to reach its last epoch."""
        elapsed = 0.0 if trial.was_killed else time.time() - trial.asked.time_s
        if elapsed < mean or trial.last is None:
            return max(0.0, mean - elapsed)
        return float((self._state.plan.max_epochs - trial.n_epochs) * trial.last.seconds)

    def _count_coming(self) -> dict[tuple[str, str], float]:
        """Count the trials of each cell and stage that are still to come."""
        cells = self._state.plan.cells
        n_begun = Counter(trial.key.cell for trial in self._state.trials.values() if trial.stage == SEARCH)
        n_repeats = self._n_trials() - self._n_searched - len(self._state.unsearched_trials())
        stage = ABLATION if self._state.plan.is_ablation else FINAL
        left = {(cell, stage): n_repeats / len(cells) for cell in cells}
        if self._state.plan.search == GLOBAL:
            return left | {(cell, SEARCH): (self._n_searched - n_begun.total()) / len(cells) for cell in cells}
        return left | {(cell, SEARCH): self._n_searched / len(cells) - n_begun[cell] for cell in cells}


def _estimate_duration(durations: dict[tuple[str, str], list[float]], cell: str, stage: str) -> float:
    """Estimate the seconds of a trial to come.

    No final training is pruned: before the first has ended, the longest trial of its cell's search is the estimate.
    """
    if (cell, stage) in durations:
        return sum(durations[cell, stage]) / len(durations[cell, stage])
    if stage == FINAL and (cell, SEARCH) in durations:
        return max(durations[cell, SEARCH])
    return sum(map(sum, durations.values())) / sum(map(len, durations.values()))


def _collect_durations(state: SweepState) -> dict[tuple[str, str], list[float]]:
    """Collect the seconds of the ended trials of each cell and stage."""
    durations: dict[tuple[str, str], list[float]] = {}
    for key, trial in state.trials.items():
        # The duration of a trial that was killed and resumed includes the pause.
        if trial.is_terminal and trial.ended and not trial.was_killed:
            durations.setdefault((key.cell, trial.stage), []).append(trial.ended.time_s - trial.asked.time_s)
    return durations


def announce_trainings(controller: Controller, n_slots: int, console: Console) -> None:
    """Print the number of trainings planned beyond the search, with their time where the search allows an estimate."""
    plan, cells = controller.plan, controller.cells_to_test()
    if plan.is_ablation:
        console.print(f"Ablation: {len(cells)} trainings of {len(plan.variants) + 1} variants, baseline included")
    elif controller.is_waiting:
        n_trials = controller.n_trials - plan.n_searched
        console.print(f"Final evaluation after the search: {n_trials} trainings (--dry-run estimates their time)")
    elif cells:
        best = {cell: controller.state.best_of_cell(cell) for cell in set(cells)}
        durations = {cell: trial.ended.test["train_seconds"] for cell, trial in best.items() if trial and trial.ended}
        left = format_duration(sum(durations[cell] for cell in cells) / min(n_slots, len(cells)))
        console.print(f"Final evaluation: {len(cells)} trainings, about {left} with {n_slots} at a time")
