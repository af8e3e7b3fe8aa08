"""Measure the best network of each cell of a sweep in white noise and babble at 20 to 0 dB, and over a telephone.

    python tune/measure_robustness.py --sweep NAME

Takes test clips of the sweep's split, the same for all cells; what was measured before is kept. The predictions are in
`robustness.csv` of the sweep's folder, from where the report takes them.
"""

import argparse

from rich.console import Console

from ser.commands import options
from ser.commands.main import run_command


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = options.make_parser(__doc__)
    parser.add_argument("--sweep", required=True, metavar="NAME", help="a sweep with a completed trial")
    parser.add_argument(
        "--clips",
        type=options.positive_whole_number,
        default=options.ROBUSTNESS_CLIPS,
        metavar="N",
        help=f"test clips to take; default {options.ROBUSTNESS_CLIPS}",
    )
    options.add_corpus_dir(parser, default="the sweep's")
    options.add_ray_address(parser)
    options.add_home(parser)
    return parser.parse_args()


def main(given: argparse.Namespace, console: Console) -> int:
    """Measure."""
    from ser.commands.measure_robustness import RobustnessRequest, run_robustness

    return run_robustness(RobustnessRequest(**vars(given)), console)


if __name__ == "__main__":
    given = arguments()
    run_command(
        lambda console: main(given, console),
        stopped="Stopped. What was measured is kept: the same command continues.",
    )
