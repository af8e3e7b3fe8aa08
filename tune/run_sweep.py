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

from ser.commands.run_sweep import run_session
from ser.commands.sweep_request import Request
from ser.corpora.base import CORPORA
from ser.corpora.download.cremad import OFFICIAL
from ser.features.quarantine import MAX_BAD_PERCENT, percent
from ser.paths import DEFAULT_HOME
from ser.sweep.plan import SEARCHES
from ser.sweep.plan_files import plan_names
from ser.tracking.registry.registration import SCOPES

PLANS = Path(__file__).parent / "plans"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="run_sweep.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--plan", help=f"a plan of tune/plans ({', '.join(plan_names(PLANS))}) or a TOML file; default quick")
    add("--corpus", help=f"{', '.join(CORPORA)}; default: the plan's")
    add(
        "--corpus-dir",
        metavar="PLACE",
        help="folder or URL of the corpus (s3://, http://); default <corpus> in SER_DATA, else in data",
    )
    add(
        "--download",
        dest="download_from",
        action="store_const",
        const=OFFICIAL,
        help="fetch CREMA-D into the folder first, or what is missing",
    )
    add("--download-from", metavar="POINTERS,MEDIA", help="as --download, from the repository at other addresses")
    add("--split", help="assignment (default), audeering-1.1.0, speaker-5fold, ...")
    add("--cells", help="all, or names joined by commas: lenet5-1d,vgg16-2d")
    add("--trials-per-cell", type=int, metavar="N")
    add("--max-epochs", type=int, metavar="N")
    add("--time-budget", metavar="30m", help="stop after this time (s, m, h), resumable")
    add("--search", choices=SEARCHES, help="a study per cell (fair), or one over all (the best model soonest)")
    add("--seed", type=int, metavar="N")
    add(
        "--final-seeds",
        type=int,
        metavar="N",
        help="then train the best of each cell anew, or each variant, with N seeds",
    )
    add("--folds", metavar="all|0,2", help="folds of that; default all")
    add("--final-splits", metavar="SPLITS", help="splits of that, joined by commas; default the sweep's")
    add("--name", metavar="SWEEP", help="name of the sweep; default: plan, date and time")
    add("--resume", metavar="SWEEP", help="go on with a sweep that was stopped or killed")
    add("--register", choices=SCOPES, default="cells", help="which models become versions; default cells")
    add("--tracking-uri", metavar="URI", help="MLflow; default MLFLOW_TRACKING_URI, else SQLite in this folder")
    add(
        "--ray-address",
        metavar="ADDRESS",
        help="a running Ray; http://HEAD:8265 submits the sweep as a job; default RAY_ADDRESS, else a local one",
    )
    add(
        "--max-bad",
        type=percent,
        default=MAX_BAD_PERCENT,
        metavar="PERCENT",
        help="stop if more of the clips cannot be used; default 1",
    )
    add(
        "--home",
        type=Path,
        default=DEFAULT_HOME,
        help="features, journals and checkpoints; default SER_HOME, else .ser",
    )
    add(
        "--dry-run",
        action="store_true",
        help="show cells, ranges, trials and the estimated time; run nothing",
    )
    add("settings", nargs="*", metavar="setting=value", help="fix a setting, as in training.lr=0.001")
    return parser.parse_intermixed_args()


if __name__ == "__main__":
    command = shlex.join(["python", *sys.argv])
    sys.exit(run_session(Request(command=command, plans=PLANS, **vars(arguments()))))
