"""Say what is wrong before a long sweep does, with the remedy for each.

    python tune/doctor.py
    python tune/doctor.py --plan full --corpus-dir data/cremad --fix

Looks at disk, memory, corpus, feature store, the journals of earlier sweeps, the tracker and runs left open in it, and
Ray. `--fix` does what is safe: it cuts the torn line of a journal, removes damaged entries and unfinished files of the
feature store and training states that nothing needs, and closes runs whose driver is gone.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ser.corpora.base import CORPORA
from ser.doctor.examination import Request, examine
from ser.errors import UserError
from ser.paths import DEFAULT_HOME
from ser.settings.ranges import SettingError
from ser.sweep.plan_files import plan_names

PLANS = Path(__file__).parent / "plans"
REFUSED, STOPPED = 2, 130


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    found = ", ".join(plan_names(PLANS))
    add(
        "--plan",
        default="quick",
        help=f"the sweep to come: a plan of tune/plans ({found}) or a TOML file; default quick",
    )
    add("--corpus", help=f"{', '.join(CORPORA)}; default: the plan's")
    add("--corpus-dir", metavar="PLACE", help="folder or URL of the corpus; default <corpus> in SER_DATA, else in data")
    add("--tracking-uri", metavar="URI", help="MLflow; default MLFLOW_TRACKING_URI, else SQLite in this folder")
    add("--ray-address", metavar="ADDRESS", help="a running Ray; default RAY_ADDRESS, else this machine")
    add(
        "--home",
        type=Path,
        default=DEFAULT_HOME,
        help="features, journals and checkpoints; default SER_HOME, else .ser",
    )
    add("--fix", action="store_true", help="repair what can be repaired safely")
    return parser.parse_args()


if __name__ == "__main__":
    console = Console(highlight=False)
    try:
        sys.exit(examine(Request(plans=PLANS, **vars(arguments())), console))
    except (UserError, SettingError) as error:
        console.print(Text.assemble(("error: ", "bold red"), str(error)), soft_wrap=True)
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        console.print("Stopped. What was repaired is repaired; nothing else was changed.")
        sys.exit(STOPPED)
