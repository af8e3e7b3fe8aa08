"""Compare networks on a corpus: extract features, search every cell, log to MLflow, register the best models.

    python tune/run_sweep.py --plan demo
    python tune/run_sweep.py --plan quick --corpus-dir data/cremad
    python tune/run_sweep.py --plan quick --download
    python tune/run_sweep.py --plan quick --ray-address http://HEAD:8265

Any setting of an experiment can be fixed by its dotted name, as in `training.lr=0.001`. Options that are not
given are as in the plan.
"""

import argparse
import shlex
import sys
from pathlib import Path

from rich.console import Console

from ser.commands import options
from ser.commands.main import run_command

PLANS = Path(__file__).parent / "plans"


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = options.make_parser(__doc__, prog="run_sweep.py")
    add = parser.add_argument
    _add_plan_options(parser)
    add("--name", metavar="SWEEP", help="name of the sweep; default: plan, date and time")
    add("--time-budget", metavar="30m", help="stop after this time (s, m or h); the sweep can be resumed")
    add("--resume", metavar="SWEEP", help="resume a sweep that was stopped or killed")
    add(
        "--register",
        default="cells",
        metavar="SCOPE",
        help="models to register as versions: all, cells or champion; default: cells",
    )
    options.add_tracking_uri(parser)
    options.add_ray_address(parser, more="; http://HEAD:8265 submits the sweep as a job")
    options.add_max_bad(parser)
    options.add_home(parser)
    add("--dry-run", action="store_true", help="print cells, ranges, trials and the estimated time; train nothing")
    add("settings", nargs="*", metavar="setting=value", help="fixed setting, as in training.lr=0.001")
    return parser.parse_intermixed_args()


def _add_plan_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    options.add_plan(parser, PLANS)
    options.add_corpus(parser, default=None)
    options.add_corpus_dir(parser)
    options.add_download(parser)
    add("--split", metavar="NAME", help="named split: assignment, audeering-1.1.0, speaker-5fold, ...")
    add("--cells", metavar="CELLS", help="all, or names joined by commas, as in lenet5-1d,vgg16-2d")
    add("--trials-per-cell", type=int, metavar="N", help="number of trials of each cell in the search")
    add("--max-epochs", type=int, metavar="N", help="largest number of epochs of a training")
    add(
        "--search",
        metavar="KIND",
        help="per-cell: one study for each cell (fair comparison); global: one over all cells (best model soonest)",
    )
    add("--seed", type=int, metavar="N", help="seed of search and trainings")
    add(
        "--final-seeds",
        type=int,
        metavar="N",
        help="after the search train the best settings of each cell, or each variant of an ablation, with N seeds",
    )
    add("--folds", metavar="all|0,2", help="folds of the final evaluation; default: all")
    add("--final-splits", metavar="SPLITS", help="splits of the final evaluation, joined by commas; default: --split")


def main(given: argparse.Namespace, console: Console) -> int:
    """Run the sweep."""
    from ser.commands.run_sweep import run_sweep
    from ser.commands.sweep_request import SweepRequest

    command = shlex.join(["python", *sys.argv])
    return run_sweep(SweepRequest(command=command, plans=PLANS, **vars(given)), console)


if __name__ == "__main__":
    given = parse_arguments()
    run_command(
        lambda console: main(given, console),
        stopped="Stopped at once. No reported result is lost: resume a sweep that had begun with --resume.",
    )
