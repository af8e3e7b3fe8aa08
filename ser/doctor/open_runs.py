"""Runs that a tracker shows as running: of which sweep, by whom, and whether that driver still lives."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from ser.commands.conclusion import resume_command
from ser.doctor.finding import Finding, fine, warning
from ser.doctor.sweeps import FoundSweep
from ser.doctor.tracker import is_serving
from ser.redaction import redact
from ser.sweep.driver import parse_driver
from ser.sweep.journal import lock_out_drivers, read_events
from ser.sweep.state import SweepState
from ser.tracking.open_runs import OpenRuns, close_runs, find_open_runs
from ser.tracking.sender import list_run_ends

_CHECK = "open runs"


def open_run_findings(uri: str, home: Path, sweeps: Sequence[FoundSweep]) -> Iterator[Finding]:
    """A line per sweep that has some.

    Raises:
        TrackerError: the tracker does not serve.
    """
    found = find_open_runs(uri) if is_serving(uri) else []
    by_id = {sweep.record.facts.sweep_id: sweep for sweep in sweeps if sweep.record.facts.sweep_id}
    for runs in found:
        yield _finding(uri, home, runs, by_id.get(runs.sweep_id))
    if not found:
        yield fine(_CHECK, f"none in {redact(uri)}")


def _finding(uri: str, home: Path, runs: OpenRuns, sweep: FoundSweep | None) -> Finding:
    driver = parse_driver(runs.driver)
    whom = f"by {runs.driver or 'an unknown driver'} since {datetime.fromtimestamp(runs.since_s):%Y-%m-%d %H:%M}"
    what = f"{runs.sweep}: {len(runs.keys)} open, {whom}"
    if (sweep is not None and sweep.runs) or (driver is not None and driver.is_alive):
        return fine(_CHECK, f"{what}, who drives it now")
    if driver is not None and not driver.is_here:
        return warning(
            _CHECK,
            f"{what}, on another machine",
            remedy=f"ask {driver.user} on {driver.host} to {_resume(home, sweep)}",
        )
    if sweep is None:
        return warning(
            _CHECK,
            f"{what}, whose sweep is not in {home}",
            remedy="go on with it from the home folder it began in: its parent run's tag ser.command says which",
        )
    if sweep.damage:
        return warning(
            _CHECK,
            f"{what}, who is gone; how they ended is not known, its journal is damaged",
            remedy=f"{resume_command(sweep.name, home)}, once its journal is mended",
        )
    if sweep.is_finished and not sweep.n_unsent:
        remedy = "nobody writes them any more: --fix closes them as they ended"
    else:
        remedy = f"{resume_command(sweep.name, home)}; or --fix closes them until then"
    return warning(_CHECK, f"{what}, who is gone", remedy=remedy, fix=lambda: _close(uri, runs, sweep))


def _resume(home: Path, sweep: FoundSweep | None) -> str:
    if sweep is None:
        return "go on with it, or to end it"
    return f"end it, or go on with it here: {resume_command(sweep.name, home)}"


def _close(uri: str, runs: OpenRuns, sweep: FoundSweep) -> str:
    with lock_out_drivers(sweep.folder.journal) as free:
        if not free:
            return f"left those of {runs.sweep}: it runs now"
        ends = _ends(sweep.folder.journal)
        of_runs = {run_id: ends.get(key, ends[""]) for run_id, key in runs.keys.items()}
        close_runs(uri, of_runs)
    counts = Counter(status for status, _ in of_runs.values())
    listed = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
    rest = "" if sweep.is_finished else "; a resume opens again those that go on"
    return f"closed {len(of_runs)} runs of {runs.sweep} as they ended: {listed}{rest}"


def _ends(journal: Path) -> dict[str, tuple[str, float]]:
    """Status and time of the end by key, as the journal tells them now; under '' of what has not come to its end.

    Not the time of a trial that was killed and taken up again, but when anything was heard of its sweep last.
    """
    record, last_s = SweepState(), 0.0
    for _, event in read_events(journal):
        record.apply(event)
        last_s = event.time_s
    goes_on = {str(key) for key, trial in record.trials.items() if not trial.is_terminal}
    return {key: end for key, end in list_run_ends(record).items() if key not in goes_on} | {"": ("KILLED", last_s)}
