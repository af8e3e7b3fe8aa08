"""Write the report of a sweep."""

from pathlib import Path

from rich.console import Console

from ser.commands.exit_codes import FINISHED
from ser.errors import UserError
from ser.evaluation.bootstrap import N_RESAMPLES
from ser.report.build import build_report
from ser.report.files import write_report
from ser.sweep.folder import SweepFolder


def run_report(home: Path, sweep: str, *, out: Path, command: str, n_resamples: int | None, console: Console) -> int:
    """Write the report and print where it is.

    Args:
        home: where the sweep is.
        sweep: its name.
        out: folder for the report.
        command: that makes the report.
        n_resamples: of each interval; None for the default.
        console: to print to.

    Returns:
        Exit code.

    Raises:
        UserError: no such sweep, nothing to report yet, or a file that cannot be read or written.
    """
    journal = SweepFolder(home / "sweeps" / sweep).journal
    try:
        report = build_report(journal, command=command, n_resamples=n_resamples or N_RESAMPLES)
        console.print(f"Report: {write_report(report, out)}", markup=False, soft_wrap=True)
    except OSError as error:
        raise UserError(
            f"{error.filename or out} cannot be used ({error.strerror or error})",
            "mend its permissions, free some space, or give another --out",
        ) from None
    return FINISHED
