"""Training states that no resume will ask for: of trials that have ended."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ser.doctor.finding import Finding, fine, size, warning
from ser.doctor.sweeps import FoundSweep
from ser.sweep.folder import find_checkpoints
from ser.sweep.journal import lock_out_drivers


def stale_checkpoint_findings(sweeps: Sequence[FoundSweep]) -> Iterator[Finding]:
    """A line per sweep that has some; bundles, which the tracker gets, are never among them."""
    found = False
    for sweep in sweeps:
        states = [] if sweep.runs or sweep.damage else _states(sweep)
        if states:
            found = True
            n_bytes = sum(path.stat().st_size for path in states)
            yield warning(
                "states",
                f"{sweep.name}: {len(states)} training states of trials that have ended, {size(n_bytes)}",
                remedy="nothing needs them: --fix removes them",
                fix=lambda sweep=sweep, states=states: _remove(sweep, states),  # type: ignore[misc]
            )
    if not found:
        yield fine("states", "no training state of an ended trial is left")


def _states(sweep: FoundSweep) -> list[Path]:
    ended = (key for key, trial in sweep.record.trials.items() if trial.is_terminal)
    return [path for key in ended for path in find_checkpoints(sweep.folder.storage, key)]


def _remove(sweep: FoundSweep, states: Sequence[Path]) -> str:
    with lock_out_drivers(sweep.folder.journal) as free:
        if not free:
            return f"left those of {sweep.name}: it runs now"
        for path in states:
            path.unlink(missing_ok=True)
    return f"removed {len(states)} training states of {sweep.name}"
