"""Report a sweep: one HTML page that opens from the disk, the same as Markdown, and a CSV file for each table.

    python tune/report.py --sweep NAME --out DIR

It reads the sweep's journal and the predictions beside it, trains nothing and needs no network. While the sweep runs it
reports what is there so far.
"""

import argparse
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ser.errors import UserError
from ser.evaluation.bootstrap import N_RESAMPLES
from ser.paths import DEFAULT_HOME
from ser.report.build import build_report
from ser.report.files import write_report
from ser.sweep.journal import JOURNAL, JournalError

REFUSED, STOPPED = 2, 130


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--sweep", required=True, metavar="NAME", help="name of the sweep")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the report; files in it are replaced")
    add("--home", type=Path, default=DEFAULT_HOME, help="where the sweep is; default SER_HOME, else .ser")
    add("--resamples", type=draws, default=N_RESAMPLES, metavar="N", help=f"of each interval; default {N_RESAMPLES:,}")
    return parser.parse_args()


def draws(text: str) -> int:
    """A number of draws as it is given on the command line.

    Raises:
        ArgumentTypeError: no whole number from 1 on.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, 1 or more, got '{text}'")
    return int(text)


def main() -> int:
    """Write the report and say where it is."""
    given = arguments()
    console = Console(highlight=False, soft_wrap=True)
    command = shlex.join(["python", *sys.argv])
    journal = given.home / "sweeps" / given.sweep / JOURNAL
    try:
        report = build_report(journal, command=command, n_resamples=given.resamples)
        console.print(f"Report: {write_report(report, given.out)}", markup=False)
    except (JournalError, UserError, OSError) as error:
        said = unusable(error, given.out) if isinstance(error, OSError) else str(error)
        console.print(Text.assemble(("error: ", "bold red"), said))
        return REFUSED
    except KeyboardInterrupt:
        console.print("Stopped. The same command makes the report from the start.")
        return STOPPED
    return 0


def unusable(error: OSError, out: Path) -> str:
    """What a user is told of a file that cannot be read or written."""
    return (
        f"{error.filename or out} cannot be used ({error.strerror or error}): mend its permissions, free some space, "
        "or give another --out"
    )


if __name__ == "__main__":
    sys.exit(main())
