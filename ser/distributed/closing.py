"""The end of a sweep as its user sees it: table, champion, and the commands that come next."""

import shlex
from collections import Counter

from rich.console import Console

from ser.replay import SweepRecord
from ser.report.leaderboard import Row, leaderboard, leaderboard_table
from ser.tracking.publication import Publication
from ser.tracking.registration import CHAMPION, model_name

FINISHED, CELL_WITHOUT_RESULT, UNSENT, STOPPED = 0, 1, 3, 130


def conclude(record: SweepRecord, publication: Publication, *, scope: str, console: Console) -> int:
    """Print how the sweep ended and register its best models; the exit code."""
    rows = leaderboard(record)
    _show_outcomes(record, console)
    if rows:
        console.print(leaderboard_table(rows))
    console.print("Sending what is left to MLflow ...")
    problem = publication.finish()
    if problem:
        console.print(
            f"The tracker {publication.uri} did not take everything ({problem}). Nothing is lost: once it answers, "
            f"--resume {record.name} sends the rest and registers the models."
        )
        return UNSENT
    if record.closed is None or record.closed.outcome != "finished":
        console.print(f"Stopped before the end. Go on with: python tune/run_sweep.py --resume {record.name}")
        return STOPPED
    if rows:
        _register(record, publication, rows, scope, console)
    return _without_result(record, rows, console)


def _show_outcomes(record: SweepRecord, console: Console) -> None:
    counts = Counter(trial.outcome for trial in record.trials.values())
    listed = ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items())) or "none"
    console.print(f"\nSweep {record.name}: {len(record.trials)} trials: {listed}")


def _register(record: SweepRecord, publication: Publication, rows: list[Row], scope: str, console: Console) -> None:
    versions = publication.register(record, scope=scope)
    name, best = model_name(record), rows[0]
    console.print(
        f"Champion by validation: {best.cell} (trial {best.key}), registered as {name} version "
        f"{versions[CHAMPION].version}; {len(versions) - 1} aliases of cells"
    )
    variable = "" if publication.is_default else f"MLFLOW_TRACKING_URI={shlex.quote(publication.uri)} "
    remote = publication.uri.startswith("http")
    server = publication.uri.rstrip("/") if remote else "http://127.0.0.1:5000"
    start = "" if remote else f"{variable}mlflow ui    and then "
    console.print(f"Compare:  {start}open {publication.comparison_url(server)}")
    console.print(f"Serve:    {variable}mlflow models serve -m models:/{name}@{CHAMPION} --env-manager local -p 5001")


def _without_result(record: SweepRecord, rows: list[Row], console: Console) -> int:
    missing = sorted(set(record.plan["cells"]) - {row.cell for row in rows})
    if not missing:
        return FINISHED
    console.print(f"No trial completed in: {', '.join(missing)}. The runs' tag ser.reason says why.")
    return CELL_WITHOUT_RESULT
