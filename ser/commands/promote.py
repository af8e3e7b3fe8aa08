"""Move the champion of a corpus: to a better candidate, or back to the one before."""

from rich.console import Console

from ser.commands.exit_codes import FINISHED, NOT_MET
from ser.console import print_line
from ser.tracking.client.connection import open_tracker
from ser.tracking.registry.comparison import CANDIDATE, CHAMPION, RULE, make_verdict_table
from ser.tracking.registry.promotion import PREVIOUS, promote, roll_back
from ser.tracking.registry.versions import Versions, registered_model_name


def run_promotion(
    corpus: str, tracking_uri: str | None, run_id: str | None, *, force: bool, dry_run: bool, console: Console
) -> int:
    """Compare the candidate with the champion, and promote it where it is better.

    Args:
        corpus: whose champion.
        tracking_uri: of the tracker; None for MLflow's default.
        run_id: run of the candidate; None for the version under the alias `candidate`.
        force: promote without being better.
        dry_run: change nothing.
        console: to print to.

    Returns:
        Exit code: not met where the champion stays.

    Raises:
        UserError: the registry has no such run or champion, or the tracker cannot be used.
    """
    versions = Versions(open_tracker(tracking_uri), registered_model_name(corpus))
    candidate = versions.read_run(run_id) if run_id else versions.read_aliased_run(CANDIDATE)
    promotion = promote(versions, candidate, force=force, dry_run=dry_run)
    if promotion.verdict.runs:
        console.print(make_verdict_table(promotion.verdict))
    print_line(console, f"Rule: {RULE}.")
    print_line(console, f"{versions.name}: {promotion.summary}")
    return FINISHED if promotion.verdict.better else NOT_MET


def run_rollback(corpus: str, tracking_uri: str | None, console: Console) -> int:
    """Make the champion before the champion again.

    Returns:
        Exit code.

    Raises:
        UserError: there is no champion, or none before it; or the tracker cannot be used.
    """
    versions = Versions(open_tracker(tracking_uri), registered_model_name(corpus))
    now, was = roll_back(versions)
    before = versions.find_by_alias(PREVIOUS)
    print_line(
        console,
        f"{versions.name}: {CHAMPION} goes back from version {was.version} to version {now.version}; {PREVIOUS} is "
        f"{f'version {before.version}' if before else 'none'}",
    )
    return FINISHED
