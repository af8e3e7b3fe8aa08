"""Check for stale checkpoints: those of ended trials, which no resumed sweep reads."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ser.doctor.finding import Finding, fine, format_size, warning
from ser.doctor.sweeps import FoundSweep
from ser.sweep.folder import find_checkpoints
from ser.sweep.journal import lock_out_drivers


def stale_checkpoint_findings(sweeps: Sequence[FoundSweep]) -> Iterator[Finding]:
    """Report each sweep with stale checkpoints; bundles, which the tracker needs, are never among them."""
    any_stale = False
    for sweep in sweeps:
        paths = [] if sweep.is_running or sweep.damage else _find_stale(sweep)
        if paths:
            any_stale = True
            n_bytes = sum(path.stat().st_size for path in paths)
            yield warning(
                "checkpoints",
                f"{sweep.name}: {len(paths)} checkpoints of ended trials, {format_size(n_bytes)}",
                remedy="nothing needs them: --fix removes them",
                fix=lambda sweep=sweep, paths=paths: _remove(sweep, paths),  # type: ignore[misc]
            )
    if not any_stale:
        yield fine("checkpoints", "none of an ended trial")


def _find_stale(sweep: FoundSweep) -> list[Path]:
    ended = (key for key, trial in sweep.state.trials.items() if trial.is_terminal)
    return [path for key in ended for path in find_checkpoints(sweep.folder.storage, key)]


def _remove(sweep: FoundSweep, paths: Sequence[Path]) -> str:
    with lock_out_drivers(sweep.folder.journal) as free:
        if not free:
            return f"kept the checkpoints of {sweep.name}: it is running now"
        for path in paths:
            path.unlink(missing_ok=True)
    return f"removed {len(paths)} checkpoints of {sweep.name}"
