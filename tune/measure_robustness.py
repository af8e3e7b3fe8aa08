"""Hear the best network of each cell of a sweep in white noise and babble at 20 to 0 dB, and over a telephone.

    python tune/measure_robustness.py --sweep NAME

Tries test clips of the sweep's split, the same for all cells; what was measured before is kept. The answers are in
`robustness.csv` of the sweep's folder, from where the report takes them.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from ser.corpora.base import CorpusError
from ser.distributed.robustness import N_CLIPS, Request, run_robustness
from ser.errors import UserError
from ser.paths import DEFAULT_HOME
from ser.sweep.journal import JournalError

REFUSED, STOPPED = 2, 130


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--sweep", required=True, metavar="NAME", help="a sweep with a completed trial")
    add("--clips", type=int, default=N_CLIPS, metavar="N", help=f"test clips to try; default {N_CLIPS}")
    add("--corpus-dir", metavar="PLACE", help="folder or URL of the corpus; default: the sweep's")
    add("--ray-address", metavar="ADDRESS", help="a running Ray; default RAY_ADDRESS, else a local one")
    add(
        "--home",
        type=Path,
        default=DEFAULT_HOME,
        help="features, journals and checkpoints; default SER_HOME, else .ser",
    )
    return parser.parse_args()


if __name__ == "__main__":
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 140)
    try:
        run_robustness(Request(**vars(arguments())), console)
    except (UserError, CorpusError, JournalError) as error:
        console.print(f"error: {error}", markup=False, soft_wrap=True)
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        console.print("Stopped. What was measured is kept: the same command goes on.")
        sys.exit(STOPPED)
