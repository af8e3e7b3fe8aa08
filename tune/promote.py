"""Make a model the champion if it is better than the one that is; or go back to the champion before.

    python tune/promote.py
    python tune/promote.py --run ID --dry-run
    python tune/promote.py --rollback

Without `--run` the candidate is the best model of the sweep that ended last. Both are compared on the same validation
clips (on those of all speaker folds, where a final evaluation of both is logged), and the champion moves if the
candidate's UAR is higher with p < 0.05 in a paired test by speaker. Test figures are shown and decide nothing.
"""

import argparse
import sys

from rich.console import Console
from rich.text import Text

from ser.corpora.base import CORPORA
from ser.tracking.client.connection import opened
from ser.tracking.publication import TrackerError
from ser.tracking.registry.comparison import CANDIDATE, CHAMPION, RULE, verdict_table
from ser.tracking.registry.promotion import PREVIOUS, promote, roll_back
from ser.tracking.registry.versions import UNREGISTERED, Versions, registered_name

MOVED, STAYED, REFUSED = 0, 1, 2


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--run", metavar="ID", help="run of the candidate; default: the version under the alias candidate")
    add("--corpus", default="cremad", help=f"whose champion: {', '.join(CORPORA)}; default cremad")
    add("--dry-run", action="store_true", help="say what would happen; change nothing")
    add("--force", action="store_true", help="make it the champion without being better")
    add("--rollback", action="store_true", help="make the champion before the champion again")
    add("--tracking-uri", metavar="URI", help="MLflow; default MLFLOW_TRACKING_URI, else SQLite in this folder")
    request = parser.parse_args()
    if request.rollback and (request.run or request.force or request.dry_run):
        parser.error(
            "--rollback goes with none of --run, --force and --dry-run: it always goes back, to the one before"
        )
    return request


def go_back(versions: Versions, console: Console) -> int:
    """Carry out `--rollback`."""
    now, was = roll_back(versions)
    before = versions.at(PREVIOUS)
    console.print(
        f"{versions.name}: {CHAMPION} goes back from version {was.version} to version {now.version}; {PREVIOUS} is "
        f"{f'version {before.version}' if before else 'none'}",
        soft_wrap=True,
    )
    return MOVED


def go_on(versions: Versions, request: argparse.Namespace, console: Console) -> int:
    """Judge the candidate, and promote it where it is due."""
    candidate = versions.run(request.run) if request.run else versions.run_at(CANDIDATE)
    promotion = promote(versions, candidate, force=request.force, dry_run=request.dry_run)
    if promotion.verdict.sides:
        console.print(verdict_table(promotion.verdict))
    console.print(f"Rule: {RULE}.", soft_wrap=True)
    console.print(f"{versions.name}: {promotion.sentence}", soft_wrap=True)
    return MOVED if promotion.verdict.better else STAYED


if __name__ == "__main__":
    console = Console(highlight=False)
    try:
        request = arguments()
        versions = Versions(opened(request.tracking_uri), registered_name(request.corpus))
        sys.exit(go_back(versions, console) if request.rollback else go_on(versions, request, console))
    except (*UNREGISTERED, TrackerError) as error:
        console.print(Text.assemble(("error: ", "bold red"), str(error)), soft_wrap=True)
        sys.exit(REFUSED)
