"""The end of a sweep as its user sees it: table, champion, and the commands that come next."""

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
from ser.tracking.registry.comparison import CHAMPION


def conclude(
    record: SweepState, publication: Publication, *, resume: str, home: Path, scope: str, console: Console
) -> int:
    """Print how the sweep ended and, unless it was stopped, register its best models; the exit code.

    Args:
        record: the sweep as its journal tells it.
        publication: of its runs and models.
        resume: the command that goes on with it.
        home: where the sweep is.
        scope: which models become versions.
        console: to print to.
    """
    rows = rank_cells(record)
    _show_outcomes(record, console)
    if rows:
        console.print(make_leaderboard_table(rows))
    finals = collect_final_rows(record)
    if finals:
        console.print(make_final_table(finals))
    variants = compare_variants(record)
    if variants:
        console.print(make_ablation_table(record, variants))
    console.print("Sending what is left to MLflow ...")
    try:
        problem = publication.finish()
        if rows and not problem and _is_concluded(record):
            _register(record, publication, rows, scope, console)
    except TrackerError as error:
        problem = str(error)
    except UserError as error:
        print_line(console, f"The best models could not be registered: {error}")
        print_line(console, "All results are in the tracker. To register one: python tune/promote.py --run ID")
        return UNREGISTERED
    if problem:
        print_line(console, f"The tracker {publication.uri} did not take everything ({problem}). Nothing is lost.")
        print_line(console, f"Once it answers, this sends the rest and registers the models: {resume}")
        return UNSENT
    if not _is_finished(record):
        print_line(console, f"Stopped before the end. Go on with: {resume}")
        return STOPPED
    if variants:
        print_line(console, f"Pictures and curves: python tune/report.py --sweep {record.name}{_at(home)} --out report")
    return _without_result(record, rows, console)


def _is_finished(record: SweepState) -> bool:
    return record.closed is not None and record.closed.outcome == "finished"


def _is_concluded(record: SweepState) -> bool:
    """Whether it came to the end that was asked for: of its trials, or of its time budget."""
    return record.closed is not None and record.closed.outcome in ("finished", "budget")


def resume_command(name: str, home: Path, ray_address: str | None = None) -> str:
    """What goes on with the sweep `name`."""
    cluster = "" if ray_address is None else f" --ray-address {shlex.quote(ray_address)}"
    return f"python tune/run_sweep.py --resume {name}{_at(home)}{cluster}"


def _at(home: Path) -> str:
    return "" if home == DEFAULT_HOME else f" --home {shlex.quote(str(home))}"


def _show_outcomes(record: SweepState, console: Console) -> None:
    counts = Counter(trial.outcome for trial in record.trials.values())
    listed = ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items())) or "none"
    console.print(f"\nSweep {record.name}: {len(record.trials)} trials: {listed}")


def _register(
    record: SweepState, publication: Publication, rows: list[LeaderboardRow], scope: str, console: Console
) -> None:
    registration = publication.register(record, scope=scope)
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


def _without_result(record: SweepState, rows: list[LeaderboardRow], console: Console) -> int:
    if record.plan.is_ablation:
        failures = list_failures(record)
        for failure in failures:
            print_line(console, f"{failure}. The runs' tag ser.reason says why.")
        return NOT_MET if failures else FINISHED
    missing = sorted(set(record.plan.cells) - {row.cell for row in rows})
    if not missing or (rows and record.plan.search == "global"):
        return FINISHED
    console.print(f"No trial completed in: {', '.join(missing)}. The runs' tag ser.reason says why.")
    return NOT_MET
