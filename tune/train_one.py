"""Train one network without a sweep: repeat a logged run from its params, or train an experiment given by its settings.

    python tune/train_one.py run=ID
    python tune/train_one.py cell.architecture=sercnn cell.dimensions=1 training.lr=0.001

The result of a repeated run is compared with the logged one: equal to the last bit on the same machine, else within
tolerance. Nothing is written to the tracker without `--log`.
"""

import argparse

from rich.console import Console

from ser.commands import options
from ser.commands.main import run_command


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    add(
        "settings",
        nargs="+",
        metavar="run=ID | setting=value",
        help="id of a logged run, or the settings of an experiment",
    )
    options.add_corpus_dir(parser, default="as in the logged run, else the folder CORPUS in SER_DATA or data")
    options.add_tracking_uri(parser)
    options.add_home(parser)
    add("--log", action="store_true", help="log the repetition as a new run in the experiment of the repeated one")
    return parser.parse_intermixed_args()


def main(given: argparse.Namespace, console: Console) -> int:
    """Run the training."""
    from ser.commands.train_one import TrainingRequest, run_training

    return run_training(TrainingRequest(**vars(given)), console)


if __name__ == "__main__":
    given = parse_arguments()
    run_command(lambda console: main(given, console), stopped="Stopped.")
