"""Make a model the champion if it is better than the one that is; or go back to the champion before.

    python tune/promote.py
    python tune/promote.py --run ID --dry-run
    python tune/promote.py --rollback

Without `--run` the candidate is the best model of the sweep that ended last. Both are compared on the same validation
clips (on those of all speaker folds, where a final evaluation of both is logged), and the champion moves if the
candidate's UAR is higher with p < 0.05 in a paired test by speaker. Test figures are shown and decide nothing.
"""

import argparse

from rich.console import Console

from ser.commands import options
from ser.commands.main import run_command


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    add("--run", metavar="ID", help="run of the candidate; default: the version under the alias candidate")
    options.add_corpus(parser, default="cremad")
    add("--dry-run", action="store_true", help="say what would happen; change nothing")
    add("--force", action="store_true", help="make it the champion without being better")
    add("--rollback", action="store_true", help="make the champion before the champion again")
    options.add_tracking_uri(parser)
    given = parser.parse_args()
    if given.rollback and (given.run or given.force or given.dry_run):
        parser.error(
            "--rollback goes with none of --run, --force and --dry-run: it always goes back, to the one before"
        )
    return given


def main(given: argparse.Namespace, console: Console) -> int:
    """Promote, or roll back."""
    from ser.commands.promote import run_promotion, run_rollback

    if given.rollback:
        return run_rollback(given.corpus, given.tracking_uri, console)
    return run_promotion(
        given.corpus, given.tracking_uri, given.run, force=given.force, dry_run=given.dry_run, console=console
    )


if __name__ == "__main__":
    given = arguments()
    run_command(lambda console: main(given, console), stopped="Stopped. The same command continues.")
