"""Check of runs that the tracker shows as running: their sweep, their driver process, and if that is still alive."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from ser.commands.conclusion import resume_command
from ser.doctor.finding import Finding, fine, warning
from ser.doctor.sweeps import FoundSweep
from ser.doctor.tracker import is_serving
from ser.redaction import redact
from ser.sweep.driver_process import parse_driver
from ser.sweep.journal import lock_out_drivers, read_events
from ser.sweep.state import SweepState
from ser.tracking.open_runs import OpenRuns, close_runs, find_open_runs
from ser.tracking.sender import list_run_ends

_CHECK = "open runs"


def open_run_findings(uri: str, home: Path, sweeps: Sequence[FoundSweep]) -> Iterator[Finding]:
    """Report each sweep with open runs in the tracker at `uri`.

    Args:
        uri: address of the tracker.
        home: folder of the sweeps.
        sweeps: sweeps found there.

    Raises:
        TrackerError: the tracker cannot be used.
    """
    found = find_open_runs(uri) if is_serving(uri) else []
    by_id = {sweep.state.facts.sweep_id: sweep for sweep in sweeps if sweep.state.facts.sweep_id}
    for runs in found:
        yield _check_runs(uri, home, runs, by_id.get(runs.sweep_id))
    if not found:
        yield fine(_CHECK, f"none in {redact(uri)}")


def _check_runs(uri: str, home: Path, runs: OpenRuns, sweep: FoundSweep | None) -> Finding:
    driver = parse_driver(runs.driver)
    since = f"{datetime.fromtimestamp(runs.since_s):%Y-%m-%d %H:%M}"
    found = f"{runs.sweep}: {len(runs.keys)} open, by {runs.driver or 'an unknown driver process'} since {since}"
    if (sweep is not None and sweep.is_running) or (driver is not None and driver.is_alive):
        return fine(_CHECK, f"{found}, still running")
    if driver is not None and not driver.is_here:
        return warning(
            _CHECK,
            f"{found}, on another machine",
            remedy=f"ask {driver.user} on {driver.host} to {_format_request(home, sweep)}",
        )
    if sweep is None:
        return warning(
            _CHECK,
            f"{found}; the sweep is not in {home}",
            remedy="resume it from the home folder where it began, which the tag ser.command of its parent run names",
        )
    if sweep.damage:
        return warning(
            _CHECK,
            f"{found}, which has ended; the outcome is not known, because the journal is damaged",
            remedy=f"repair the journal, then {resume_command(sweep.name, home)}",
        )
    if sweep.is_finished and not sweep.n_unsent:
        remedy = "no process writes them any more: --fix closes them with the outcomes of the journal"
    else:
        remedy = f"{resume_command(sweep.name, home)}; or --fix closes them until then"
    return warning(_CHECK, f"{found}, which has ended", remedy=remedy, fix=lambda: _close_runs(uri, runs, sweep))


def _format_request(home: Path, sweep: FoundSweep | None) -> str:
    if sweep is None:
        return "resume it, or to end it"
    return f"end it, or resume it here: {resume_command(sweep.name, home)}"


def _close_runs(uri: str, runs: OpenRuns, sweep: FoundSweep) -> str:
    with lock_out_drivers(sweep.folder.journal) as free:
        if not free:
            return f"kept the runs of {runs.sweep} open: it is running now"
        ends = _read_ends(sweep.folder.journal)
        ends_by_run = {run_id: ends.get(key, ends[""]) for run_id, key in runs.keys.items()}
        close_runs(uri, ends_by_run)
    counts = Counter(status for status, _ in ends_by_run.values())
    listed = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
    rest = "" if sweep.is_finished else "; resuming the sweep reopens the unfinished ones"
    return f"closed {len(ends_by_run)} runs of {runs.sweep} with the outcomes of the journal: {listed}{rest}"


def _read_ends(journal: Path) -> dict[str, tuple[str, float]]:
    """Read status and end time by trial key from the journal as it is now; under '' those of unfinished trials.

    The end time of an unfinished trial is that of the sweep's last event: a resumed trial runs on after it was killed.
    """
    state, last_s = SweepState(), 0.0
    for _, event in read_events(journal):
        state.apply(event)
        last_s = event.time_s
    unfinished = {str(key) for key, trial in state.trials.items() if not trial.is_terminal}
    return {key: end for key, end in list_run_ends(state).items() if key not in unfinished} | {"": ("KILLED", last_s)}
