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
    """Write the report and print its path.

    Args:
        home: folder of features, journals and checkpoints.
        sweep: name of the sweep.
        out: folder for the report.
        command: the command line, which the report quotes.
        n_resamples: resamples of each interval; None for the default.
        console: where to print.

    Returns:
        Exit code, one of `ser.commands.exit_codes`.

    Raises:
        UserError: no such sweep, nothing to report yet, or a file cannot be read or written.
    """
    journal = SweepFolder(home / "sweeps" / sweep).journal
    try:
        report = build_report(journal, command=command, n_resamples=n_resamples or N_RESAMPLES)
        console.print(f"Report: {write_report(report, out)}", markup=False, soft_wrap=True)
    except OSError as error:
        raise UserError(
            f"{error.filename or out} cannot be used ({error.strerror or error})",
            "correct its permissions, free some space, or give another --out",
        ) from None
    return FINISHED
