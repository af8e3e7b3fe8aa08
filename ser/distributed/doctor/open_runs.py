"""Runs that a tracker shows as running: of which sweep, by whom, and whether that driver still lives."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from ser.distributed.closing import resume_command
from ser.distributed.doctor.finding import Finding, fine, warning
from ser.distributed.doctor.sweeps import SeenSweep
from ser.distributed.doctor.tracker import serves
from ser.distributed.driver import driver_from
from ser.journal import kept_from_drivers
from ser.tracking.addresses import shown
from ser.tracking.open_runs import OpenRuns, close_runs, open_runs

_CHECK = "open runs"


def open_run_findings(uri: str, home: Path, sweeps: Sequence[SeenSweep]) -> Iterator[Finding]:
    """A line per sweep that has some.

    Raises:
        TrackerError: the tracker does not serve.
    """
    found = open_runs(uri) if serves(uri) else []
    by_id = {str(sweep.record.facts["sweep_id"]): sweep for sweep in sweeps if "sweep_id" in sweep.record.facts}
    for runs in found:
        yield _finding(uri, home, runs, by_id.get(runs.sweep_id))
    if not found:
        yield fine(_CHECK, f"none in {shown(uri)}")


def _finding(uri: str, home: Path, runs: OpenRuns, sweep: SeenSweep | None) -> Finding:
    driver = driver_from(runs.driver)
    whom = f"by {runs.driver or 'an unknown driver'} since {datetime.fromtimestamp(runs.since_s):%Y-%m-%d %H:%M}"
    what = f"{runs.sweep}: {len(runs.run_ids)} open, {whom}"
    if (sweep is not None and sweep.runs) or (driver is not None and driver.lives):
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
    return warning(
        _CHECK,
        f"{what}, who is gone",
        remedy=f"{resume_command(sweep.name, home)}; or --fix closes them until then",
        fix=lambda: _close(uri, runs, sweep),
    )


def _resume(home: Path, sweep: SeenSweep | None) -> str:
    if sweep is None:
        return "go on with it, or to end it"
    return f"end it, or go on with it here: {resume_command(sweep.name, home)}"


def _close(uri: str, runs: OpenRuns, sweep: SeenSweep) -> str:
    journal = sweep.folder.journal
    with kept_from_drivers(journal) as free:
        if not free:
            return f"left those of {runs.sweep}: it runs now"
        close_runs(uri, runs.run_ids, end_s=journal.stat().st_mtime)
    return f"closed {len(runs.run_ids)} runs of {runs.sweep} as KILLED; a resume opens them again"
