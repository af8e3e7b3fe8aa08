"""The end of a sweep on the console: tables, champion, and the commands to run next."""

import shlex
from collections import Counter
from pathlib import Path

from rich.console import Console

from ser.commands.exit_codes import FINISHED, NOT_MET, STOPPED, UNREGISTERED, UNSENT
from ser.console import print_line
from ser.errors import UserError
from ser.paths import DEFAULT_HOME
from ser.report.ablation import compare_variants, list_failures, make_ablation_table
from ser.report.final_table import collect_final_rows, make_final_table
from ser.report.leaderboard import LeaderboardRow, make_leaderboard_table, rank_cells
from ser.sweep.state import SweepState
from ser.tracking.client.tracker_error import TrackerError
from ser.tracking.publication import Publication
from ser.tracking.registry.promotion_rule import CHAMPION


def conclude(
    state: SweepState, publication: Publication, *, resume: str, home: Path, scope: str, console: Console
) -> int:
    """Print how the sweep ended and, unless it was stopped, register its best models.

    Args:
        state: the sweep, replayed from its journal.
        publication: the runs and models of the sweep in the tracker.
        resume: the command that resumes the sweep.
        home: folder of features, journals and checkpoints.
        scope: which models become versions: all, cells or champion.
        console: where to print.

    Returns:
        Exit code, one of `ser.commands.exit_codes`.
    """
    rows = rank_cells(state)
    _print_outcomes(state, console)
    if rows:
        console.print(make_leaderboard_table(rows))
    finals = collect_final_rows(state)
    if finals:
        console.print(make_final_table(finals))
    variants = compare_variants(state)
    if variants:
        console.print(make_ablation_table(state, variants))
    console.print("Sending the remaining events to MLflow ...")
    try:
        problem = publication.finish()
        if rows and not problem and _has_concluded(state):
            _register(state, publication, rows, scope, console)
    except TrackerError as error:
        problem = str(error)
    except UserError as error:
        print_line(console, f"The best models could not be registered: {error}")
        print_line(console, "All results are in the tracker. To register one: python tune/promote.py --run ID")
        return UNREGISTERED
    if problem:
        print_line(console, f"The tracker {publication.uri} did not accept everything ({problem}). Nothing is lost.")
        print_line(console, f"Once it answers, this command sends the rest and registers the models: {resume}")
        return UNSENT
    if not _is_finished(state):
        print_line(console, f"Stopped before the end. Resume with: {resume}")
        return STOPPED
    if variants:
        print_line(
            console, f"Pictures and curves: python tune/report.py --sweep {state.name}{_home_option(home)} --out report"
        )
    return _report_missing_results(state, rows, console)


def _is_finished(state: SweepState) -> bool:
    return state.closed is not None and state.closed.outcome == "finished"


def _has_concluded(state: SweepState) -> bool:
    """True if the sweep reached the requested end: of its trials, or of its time budget."""
    return state.closed is not None and state.closed.outcome in ("finished", "budget")


def resume_command(name: str, home: Path, ray_address: str | None = None) -> str:
    """The command line that resumes the sweep `name`."""
    cluster = "" if ray_address is None else f" --ray-address {shlex.quote(ray_address)}"
    return f"python tune/run_sweep.py --resume {name}{_home_option(home)}{cluster}"


def _home_option(home: Path) -> str:
    return "" if home == DEFAULT_HOME else f" --home {shlex.quote(str(home))}"


def _print_outcomes(state: SweepState, console: Console) -> None:
    counts = Counter(trial.outcome for trial in state.trials.values())
    listed = ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items())) or "none"
    console.print(f"\nSweep {state.name}: {len(state.trials)} trials: {listed}")


def _register(
    state: SweepState, publication: Publication, rows: list[LeaderboardRow], scope: str, console: Console
) -> None:
    registration = publication.register(state, scope=scope)
    name, best = registration.name, rows[0]
    listed = ", ".join(f"{alias} {number}" for alias, number in sorted(registration.aliases.items()))
    print_line(console, f"Best by validation: {best.cell} (trial {best.key})")
    print_line(console, f"Registered: {name}, versions by alias: {listed}")
    print_line(console, registration.promotion.summary)
    variable = "" if publication.is_default else f"MLFLOW_TRACKING_URI={shlex.quote(publication.uri)} "
    remote = publication.uri.startswith("http")
    server = publication.uri.rstrip("/") if remote else "http://127.0.0.1:5000"
    start = "" if remote else f"{variable}mlflow ui    and then "
    print_line(console, f"Compare:  {start}open {publication.build_comparison_url(server)}")
    print_line(
        console, f"Serve:    {variable}mlflow models serve -m models:/{name}@{CHAMPION} --env-manager local -p 5001"
    )


def _report_missing_results(state: SweepState, rows: list[LeaderboardRow], console: Console) -> int:
    if state.plan.is_ablation:
        failures = list_failures(state)
        for failure in failures:
            print_line(console, f"{failure}. The runs' tag ser.reason says why.")
        return NOT_MET if failures else FINISHED
    missing = sorted(set(state.plan.cells) - {row.cell for row in rows})
    if not missing or (rows and state.plan.search == "global"):
        return FINISHED
    console.print(f"No trial completed in: {', '.join(missing)}. The runs' tag ser.reason says why.")
    return NOT_MET
