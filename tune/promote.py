"""Make a model the champion if it is better than the current one, or go back to the previous champion.

    python tune/promote.py
    python tune/promote.py --run ID --dry-run
    python tune/promote.py --rollback

Without `--run` the candidate is the best model of the last sweep. Both models are compared on the same validation
clips, or on those of all speaker folds if a final evaluation of both is logged. The champion is replaced if the
candidate's UAR is higher with p < 0.05 in a paired test by speaker. Test results are printed, but decide nothing.
"""

import argparse

from rich.console import Console

from ser.commands import options
from ser.commands.main import run_command


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    add("--run", metavar="ID", help="run of the candidate; default: the version with the alias candidate")
    options.add_corpus(parser, default="cremad")
    add("--dry-run", action="store_true", help="print the decision; change nothing")
    add("--force", action="store_true", help="make the candidate the champion even if it is not better")
    add("--rollback", action="store_true", help="go back to the previous champion")
    options.add_tracking_uri(parser)
    given = parser.parse_args()
    if given.rollback and (given.run or given.force or given.dry_run):
        parser.error("--rollback excludes --run, --force and --dry-run: it always goes back to the previous champion")
    return given


def main(given: argparse.Namespace, console: Console) -> int:
    """Promote the candidate, or roll back."""
    from ser.commands.promote import run_promotion, run_rollback

    if given.rollback:
        return run_rollback(given.corpus, given.tracking_uri, console)
    return run_promotion(
        given.corpus, given.tracking_uri, given.run, force=given.force, dry_run=given.dry_run, console=console
    )


if __name__ == "__main__":
    given = parse_arguments()
    run_command(lambda console: main(given, console), stopped="Stopped. The same command continues.")
