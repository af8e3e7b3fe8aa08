"""Check of the journals in a home folder: stopped, running, damaged and unsent sweeps."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ser.commands.conclusion import resume_command
from ser.doctor.finding import Finding, fine, warning
from ser.errors import UserError
from ser.redaction import redact
from ser.sweep.folder import SweepFolder
from ser.sweep.journal import JOURNAL, Journal, lock_out_drivers, read_events
from ser.sweep.state import SweepState
from ser.tracking.writer import read_sent_position


@dataclass
class FoundSweep:
    """A sweep found in a home folder.

    Attributes:
        folder: folder of the sweep.
        is_running: a driver process holds the journal.
        state: state replayed from the journal, up to its damage.
        offsets: byte offset of the end of each event.
        n_bytes: length of the journal.
        damage: error of reading the journal, or None.
        tracker: address of the tracker that received the last events, or ''.
        n_unsent: number of events that the tracker has not received.
    """

    folder: SweepFolder
    is_running: bool = False
    state: SweepState = field(default_factory=SweepState)
    offsets: list[int] = field(default_factory=list)
    n_bytes: int = 0
    damage: UserError | None = None
    tracker: str = ""
    n_unsent: int = 0

    @property
    def name(self) -> str:
        """Name of the sweep, as for --resume."""
        return self.folder.path.name

    @property
    def is_torn(self) -> bool:
        """True if the driver process was killed while it wrote a line."""
        return not self.damage and not self.is_running and self.n_bytes > (self.offsets[-1] if self.offsets else 0)

    @property
    def is_finished(self) -> bool:
        """True if every trial of the plan has ended."""
        return self.state.closed is not None and self.state.closed.outcome == "finished"

    @property
    def driver(self) -> str:
        """The last driver process, as 'user@host pid 123'."""
        return self.state.facts.driver


def find_sweeps(home: Path) -> list[FoundSweep]:
    """Find all sweeps of a home folder, in the order of their names."""
    return [_read_sweep(SweepFolder(path.parent)) for path in sorted((home / "sweeps").glob(f"*/{JOURNAL}"))]


def sweep_findings(home: Path, sweeps: list[FoundSweep]) -> Iterator[Finding]:
    """Report each sweep that is not finished and sent, and all others in one line."""
    if not sweeps:
        yield fine("journals", f"no sweep in {home}")
    n_finished = 0
    for sweep in sweeps:
        found = list(_check_sweep(home, sweep))
        yield from found
        n_finished += not found
    if n_finished:
        yield fine("journals", f"{n_finished} of {len(sweeps)} sweeps are finished and sent")


def _read_sweep(folder: SweepFolder) -> FoundSweep:
    sweep = FoundSweep(folder)
    try:
        with lock_out_drivers(folder.journal) as free:
            sweep.is_running = not free
        sweep.tracker, sent = read_sent_position(folder.journal)
        sweep.n_bytes = folder.journal.stat().st_size
        for offset, event in read_events(folder.journal):
            sweep.state.apply(event)
            sweep.offsets.append(offset)
            sweep.n_unsent += offset > sent
    except UserError as error:
        sweep.damage = error
    except KeyError as error:
        sweep.damage = UserError(
            f"{folder.journal} lacks lines: it has events of trial {error.args[0]}, but not its start",
            "restore a copy of it",
        )
    except OSError as error:
        sweep.damage = UserError(
            f"{folder.journal} cannot be read ({error.strerror})", "restore a copy of it, or correct its permissions"
        )
    return sweep


def _check_sweep(home: Path, sweep: FoundSweep) -> Iterator[Finding]:
    resume = resume_command(sweep.name, home)
    if sweep.damage:
        yield warning(  # the next sweep has a journal of its own
            "journals",
            f"{sweep.name}: {sweep.damage.problem}",
            remedy=f"{sweep.damage.remedy}, or abandon the sweep: rm -r {shlex.quote(str(sweep.folder.path))}",
        )
    elif sweep.is_running:
        yield fine("journals", f"{sweep.name}: running now, driver {sweep.driver}{_format_progress(sweep)}")
    else:
        if sweep.is_torn:
            yield warning(
                "journals",
                f"{sweep.name}: its last line is torn, after byte {sweep.offsets[-1] if sweep.offsets else 0:,}; "
                "no other process has read it",
                remedy=f"remove it: --fix, or {resume}",
                fix=lambda: _cut_torn_line(sweep),
            )
        yield from _check_unfinished(sweep, resume)


def _check_unfinished(sweep: FoundSweep, resume: str) -> Iterator[Finding]:
    if sweep.state.name and not sweep.is_finished:
        closed = sweep.state.closed
        reason = f"stopped ({closed.outcome})" if closed else f"its driver process died ({sweep.driver})"
        yield warning("journals", f"{sweep.name}: {reason}{_format_progress(sweep)}", remedy=resume)
    elif sweep.n_unsent:
        receiver = f" to {redact(sweep.tracker)}" if sweep.tracker else ""
        yield warning(
            "journals",
            f"{sweep.name}: {sweep.n_unsent:,} of {len(sweep.offsets):,} events were not sent{receiver}",
            remedy=f"once its tracker answers: {resume}",
        )


def _format_progress(sweep: FoundSweep) -> str:
    trials = sweep.state.trials.values()
    since = datetime.fromtimestamp(sweep.folder.journal.stat().st_mtime)
    n_final = sum(trial.is_terminal for trial in trials)
    unsent = f", {sweep.n_unsent:,} events not sent" if sweep.n_unsent and not sweep.is_running else ""
    return f", {n_final} trials ended, {len(trials) - n_final} open{unsent}, last written {since:%Y-%m-%d %H:%M}"


def _cut_torn_line(sweep: FoundSweep) -> str:
    Journal(sweep.folder.journal).close()
    return f"removed the torn line of {sweep.name}"
