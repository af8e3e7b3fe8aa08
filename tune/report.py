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

from ser.commands import options
from ser.commands.main import run_command


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    add("--sweep", required=True, metavar="NAME", help="name of the sweep")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the report; files in it are replaced")
    options.add_home(parser)
    add("--resamples", type=options.positive_whole_number, metavar="N", help="resamples of each interval")
    return parser.parse_args()


def main(given: argparse.Namespace, console: Console) -> int:
    """Write the report."""
    from ser.commands.report import run_report

    command = shlex.join(["python", *sys.argv])
    return run_report(
        given.home, given.sweep, out=given.out, command=command, n_resamples=given.resamples, console=console
    )


if __name__ == "__main__":
    given = arguments()
    run_command(
        lambda console: main(given, console), stopped="Stopped. The same command makes the report from the start."
    )
