"""Find what would stop a long sweep before it starts, with the remedy for each problem.

    python tune/doctor.py
    python tune/doctor.py --plan full --corpus-dir data/cremad --fix

Checks disk, memory, corpus, feature store, the journals of earlier sweeps, the tracker and runs left open in it, and
Ray. `--fix` does what is safe: it cuts the torn line of a journal, removes damaged entries and unfinished files of the
feature store and checkpoints that nothing needs, and closes runs whose driver process is gone.
"""

import argparse
from pathlib import Path

from rich.console import Console

from ser.commands import options
from ser.commands.main import run_command

PLANS = Path(__file__).parent / "plans"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = options.make_parser(__doc__)
    options.add_plan(parser, PLANS, default="quick")
    options.add_corpus(parser, default=None)
    options.add_corpus_dir(parser)
    options.add_tracking_uri(parser)
    options.add_ray_address(parser)
    options.add_home(parser)
    parser.add_argument("--fix", action="store_true", help="repair what can be repaired safely")
    return parser.parse_args()


def main(given: argparse.Namespace, console: Console) -> int:
    """Run every check."""
    from ser.doctor.examination import DoctorRequest, examine

    return examine(DoctorRequest(plans=PLANS, **vars(given)), console)


if __name__ == "__main__":
    given = arguments()
    run_command(
        lambda console: main(given, console),
        stopped="Stopped. What was repaired is repaired; nothing else was changed.",
    )
