"""Compare networks on a corpus: extract features, search every cell, log to MLflow, register the best.

    python tune/run_sweep.py --plan demo
    python tune/run_sweep.py --plan quick --corpus-dir data/cremad
    python tune/run_sweep.py --plan quick --download
    python tune/run_sweep.py --plan quick --ray-address http://HEAD:8265

Any setting of an experiment can be fixed by its dotted name, as in `training.lr=0.001`.
"""

import argparse
import shlex
import sys
from pathlib import Path

from rich.console import Console

from ser.commands import options
from ser.commands.main import run_command

PLANS = Path(__file__).parent / "plans"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = options.make_parser(__doc__, prog="run_sweep.py")
    add = parser.add_argument
    options.add_plan(parser, PLANS)
    options.add_corpus(parser, default=None)
    options.add_corpus_dir(parser)
    options.add_download(parser)
    add("--split", help="assignment (default), audeering-1.1.0, speaker-5fold, ...")
    add("--cells", help="all, or names joined by commas: lenet5-1d,vgg16-2d")
    add("--trials-per-cell", type=int, metavar="N")
    add("--max-epochs", type=int, metavar="N")
    add("--time-budget", metavar="30m", help="stop after this time (s, m, h), resumable")
    add("--search", help="per-cell: a study for each cell (fair); global: one over all (the best model soonest)")
    add("--seed", type=int, metavar="N")
    add(
        "--final-seeds",
        type=int,
        metavar="N",
        help="then train the best of each cell again, or each variant, with N seeds",
    )
    add("--folds", metavar="all|0,2", help="folds of that; default all")
    add("--final-splits", metavar="SPLITS", help="splits of that, joined by commas; default the sweep's")
    add("--name", metavar="SWEEP", help="name of the sweep; default: plan, date and time")
    add("--resume", metavar="SWEEP", help="resume a sweep that was stopped or killed")
    add("--register", default="cells", metavar="SCOPE", help="models that become versions: all, cells, champion")
    options.add_tracking_uri(parser)
    options.add_ray_address(parser, more="; http://HEAD:8265 submits the sweep as a job")
    options.add_max_bad(parser)
    options.add_home(parser)
    add("--dry-run", action="store_true", help="show cells, ranges, trials and the estimated time; run nothing")
    add("settings", nargs="*", metavar="setting=value", help="fix a setting, as in training.lr=0.001")
    return parser.parse_intermixed_args()


def main(given: argparse.Namespace, console: Console) -> int:
    """Run the sweep."""
    from ser.commands.run_sweep import run_sweep
    from ser.commands.sweep_request import SweepRequest

    command = shlex.join(["python", *sys.argv])
    return run_sweep(SweepRequest(command=command, plans=PLANS, **vars(given)), console)


if __name__ == "__main__":
    given = arguments()
    run_command(
        lambda console: main(given, console),
        stopped="Stopped at once. Nothing that was reported is lost: a sweep that had begun continues with --resume.",
    )
