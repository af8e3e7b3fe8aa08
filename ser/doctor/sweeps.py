"""What the journals of a home tell: sweeps that were stopped, that run, that are damaged, or are not sent."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ser.commands.conclusion import resume_command
from ser.doctor.finding import Finding, fine, warning
from ser.redaction import redact
from ser.sweep.folder import SweepFolder
from ser.sweep.journal import JOURNAL, Journal, JournalError, lock_out_drivers, read_events
from ser.sweep.state import SweepState
from ser.tracking.writer import read_sent_position


@dataclass
class FoundSweep:
    """A sweep's folder as it was found.

    Attributes:
        folder: of the sweep.
        runs: a driver has its journal.
        record: what the journal tells, up to where it is damaged.
        offsets: of the ends of its events.
        n_bytes: length of the journal.
        damage: what is wrong with it, or ''.
        tracker: to which it has been sent last, or ''.
        n_unsent: events that the tracker has not got.
    """

    folder: SweepFolder
    runs: bool = False
    record: SweepState = field(default_factory=SweepState)
    offsets: list[int] = field(default_factory=list)
    n_bytes: int = 0
    damage: str = ""
    tracker: str = ""
    n_unsent: int = 0

    @property
    def name(self) -> str:
        """Of its folder: what --resume takes."""
        return self.folder.path.name

    @property
    def is_torn(self) -> bool:
        """Whether its driver was killed while it wrote a line."""
        return not self.damage and not self.runs and self.n_bytes > (self.offsets[-1] if self.offsets else 0)

    @property
    def is_finished(self) -> bool:
        """Whether every trial of its plan ended."""
        return self.record.closed is not None and self.record.closed.outcome == "finished"

    @property
    def driver(self) -> str:
        """Who took it up last."""
        return self.record.facts.driver


def find_sweeps(home: Path) -> list[FoundSweep]:
    """All sweeps of the home, in the order of their names."""
    return [_seen(SweepFolder(path.parent)) for path in sorted((home / "sweeps").glob(f"*/{JOURNAL}"))]


def sweep_findings(home: Path, sweeps: list[FoundSweep]) -> Iterator[Finding]:
    """A line per sweep that is not simply finished, and one for those that are."""
    if not sweeps:
        yield fine("journals", f"no sweep in {home}")
    n_finished = 0
    for sweep in sweeps:
        found = list(_of_one(home, sweep))
        yield from found
        n_finished += not found
    if n_finished:
        yield fine("journals", f"{n_finished} of {len(sweeps)} sweeps are finished, and all of them is sent")


def _seen(folder: SweepFolder) -> FoundSweep:
    sweep = FoundSweep(folder)
    try:
        with lock_out_drivers(folder.journal) as free:
            sweep.runs = not free
        sweep.tracker, sent = read_sent_position(folder.journal)
        sweep.n_bytes = folder.journal.stat().st_size
        for offset, event in read_events(folder.journal):
            sweep.record.apply(event)
            sweep.offsets.append(offset)
            sweep.n_unsent += offset > sent
    except JournalError as error:
        sweep.damage = str(error)
    except KeyError as error:
        sweep.damage = f"{folder.journal} lacks lines: it tells of trial {error.args[0]}, which it never asked for"
    except OSError as error:
        sweep.damage = f"{folder.journal} cannot be read ({error.strerror})"
    return sweep


def _of_one(home: Path, sweep: FoundSweep) -> Iterator[Finding]:
    resume = resume_command(sweep.name, home)
    if sweep.damage:
        yield warning(  # the next sweep has a journal of its own
            "journals",
            f"{sweep.name}: {sweep.damage.removesuffix('. Restore a copy of it')}",
            remedy=f"{_way_out(sweep)}, or give the sweep up: rm -r {shlex.quote(str(sweep.folder.path))}",
        )
    elif sweep.runs:
        yield fine("journals", f"{sweep.name}: runs now, driven by {sweep.driver}{_progress(sweep)}")
    else:
        if sweep.is_torn:
            yield warning(
                "journals",
                f"{sweep.name}: its last line is torn, after byte {sweep.offsets[-1] if sweep.offsets else 0:,}; "
                "nobody has heard of it",
                remedy=f"cut it: --fix, or {resume}",
                fix=lambda: _cut(sweep),
            )
        yield from _left_behind(sweep, resume)


def _way_out(sweep: FoundSweep) -> str:
    return "use that version" if "another version of ser" in sweep.damage else "restore a copy of it"


def _left_behind(sweep: FoundSweep, resume: str) -> Iterator[Finding]:
    if sweep.record.name and not sweep.is_finished:
        closed = sweep.record.closed
        how = f"stopped ({closed.outcome})" if closed else f"its driver died ({sweep.driver})"
        yield warning("journals", f"{sweep.name}: {how}{_progress(sweep)}", remedy=resume)
    elif sweep.n_unsent:
        to = f" to {redact(sweep.tracker)}" if sweep.tracker else ""
        yield warning(
            "journals",
            f"{sweep.name}: {sweep.n_unsent:,} of {len(sweep.offsets):,} events were not sent{to}",
            remedy=f"once its tracker answers: {resume}",
        )


def _progress(sweep: FoundSweep) -> str:
    trials = sweep.record.trials.values()
    since = datetime.fromtimestamp(sweep.folder.journal.stat().st_mtime)
    n_final = sum(trial.is_terminal for trial in trials)
    unsent = f", {sweep.n_unsent:,} events not sent" if sweep.n_unsent and not sweep.runs else ""
    return f", {n_final} trials ended, {len(trials) - n_final} open{unsent}, last written {since:%Y-%m-%d %H:%M}"


def _cut(sweep: FoundSweep) -> str:
    Journal(sweep.folder.journal).close()
    return f"cut the torn line of {sweep.name}"
