"""Report a sweep: one self-contained HTML page, the same as Markdown, and a CSV file for each table.

    python tune/report.py --sweep NAME --out DIR

Reads the journal of the sweep and the predictions in its folder; trains nothing and needs no network connection. For a
running sweep the report covers the results so far.
"""

import argparse
import shlex
import sys
from pathlib import Path

from rich.console import Console

from ser.commands import options
from ser.commands.main import run_command


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    add("--sweep", required=True, metavar="NAME", help="name of the sweep")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the report; existing files are replaced")
    options.add_home(parser)
    add("--resamples", type=options.parse_count, metavar="N", help="number of resamples for each interval")
    return parser.parse_args()


def main(given: argparse.Namespace, console: Console) -> int:
    """Write the report."""
    from ser.commands.report import run_report

    command = shlex.join(["python", *sys.argv])
    return run_report(
        given.home, given.sweep, out=given.out, command=command, n_resamples=given.resamples, console=console
    )


if __name__ == "__main__":
    given = parse_arguments()
    run_command(lambda console: main(given, console), stopped="Stopped. The same command starts the report again.")
