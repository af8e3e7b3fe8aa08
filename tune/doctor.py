"""Find problems before a long sweep starts, with the remedy for each.

    python tune/doctor.py
    python tune/doctor.py --plan full --corpus-dir data/cremad --fix

Checks disk, memory, corpus, feature store, the journals of earlier sweeps, the tracker with its open runs, and Ray.
`--fix` makes the safe repairs: it removes the torn line of a journal, damaged entries and unfinished files of the
feature store, and checkpoints that are no longer needed; it closes runs whose driver process has ended.
"""

import argparse
from pathlib import Path

from rich.console import Console

from ser.commands import options
from ser.commands.main import run_command

PLANS = Path(__file__).parent / "plans"


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = options.make_parser(__doc__)
    options.add_plan(parser, PLANS, default="quick")
    options.add_corpus(parser, default=None)
    options.add_corpus_dir(parser)
    options.add_tracking_uri(parser)
    options.add_ray_address(parser)
    options.add_home(parser)
    parser.add_argument("--fix", action="store_true", help="make the safe repairs")
    return parser.parse_args()


def main(given: argparse.Namespace, console: Console) -> int:
    """Run every check."""
    from ser.doctor.examination import DoctorRequest, examine

    return examine(DoctorRequest(plans=PLANS, **vars(given)), console)


if __name__ == "__main__":
    given = parse_arguments()
    run_command(
        lambda console: main(given, console),
        stopped="Stopped. Completed repairs are kept; nothing else was changed.",
    )
