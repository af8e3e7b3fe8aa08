"""Move the alias champion of a corpus: to a better candidate, or back to the previous champion."""

from rich.console import Console

from ser.commands.exit_codes import FINISHED, NOT_MET
from ser.console import print_line
from ser.tracking.client.connection import open_tracker
from ser.tracking.registry.promotion import PREVIOUS, promote, roll_back
from ser.tracking.registry.promotion_rule import CANDIDATE, CHAMPION, RULE, make_verdict_table
from ser.tracking.registry.versions import Versions, registered_model_name


def run_promotion(
    corpus: str, tracking_uri: str | None, run_id: str | None, *, force: bool, dry_run: bool, console: Console
) -> int:
    """Compare the candidate with the champion, and promote it if it is better.

    Args:
        corpus: name of the corpus.
        tracking_uri: address of the tracker; None for MLflow's default.
        run_id: run of the candidate; None for the version under the alias `candidate`.
        force: promote the candidate even if it is not better.
        dry_run: change nothing.
        console: where to print.

    Returns:
        Exit code, `NOT_MET` where the champion stays.

    Raises:
        UserError: the registry has no such run or candidate, or the tracker cannot be used.
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
    """Move the alias champion back to the previous champion.

    Args:
        corpus: name of the corpus.
        tracking_uri: address of the tracker; None for MLflow's default.
        console: where to print.

    Returns:
        Exit code, one of `ser.commands.exit_codes`.

    Raises:
        UserError: there is no champion or no previous one, or the tracker cannot be used.
    """
    versions = Versions(open_tracker(tracking_uri), registered_model_name(corpus))
    current, replaced = roll_back(versions)
    previous = versions.find_by_alias(PREVIOUS)
    print_line(
        console,
        f"{versions.name}: {CHAMPION} goes back from version {replaced.version} to version {current.version}; "
        f"{PREVIOUS} is {f'version {previous.version}' if previous else 'none'}",
    )
    return FINISHED
