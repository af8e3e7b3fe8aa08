"""Measure the best network of each cell in white noise and babble at 20 to 0 dB, and over a telephone.

    python tune/measure_robustness.py --sweep NAME

Uses the same test clips of the sweep's split for all cells, and keeps earlier predictions. The predictions are stored
in `robustness.csv` in the folder of the sweep, from which the report reads them.
"""

import argparse

from rich.console import Console

from ser.commands import options
from ser.commands.main import run_command


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = options.make_parser(__doc__)
    parser.add_argument("--sweep", required=True, metavar="NAME", help="name of a sweep with a completed trial")
    parser.add_argument(
        "--clips",
        type=options.parse_count,
        default=options.ROBUSTNESS_CLIPS,
        metavar="N",
        help=f"number of test clips; default: {options.ROBUSTNESS_CLIPS}",
    )
    options.add_corpus_dir(parser, default="as in the sweep")
    options.add_ray_address(parser)
    options.add_home(parser)
    return parser.parse_args()


def main(given: argparse.Namespace, console: Console) -> int:
    """Run the measurement."""
    from ser.commands.measure_robustness import RobustnessRequest, run_robustness

    return run_robustness(RobustnessRequest(**vars(given)), console)


if __name__ == "__main__":
    given = parse_arguments()
    run_command(
        lambda console: main(given, console),
        stopped="Stopped. The predictions so far are kept: the same command continues.",
    )
