"""Break sweeps on a cluster of containers in every way, one sweep a fault, and print what came of it.

python -m tests.support.container_soak
"""

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path

from ser.sweep.journal import Reported, read_events
from tests.support.command_runner import Command
from tests.support.container_faults import CLUSTER_FAULTS
from tests.support.container_stack import Stack, engine
from tests.support.fault_environment import write_plan
from tests.support.sweep_checks import Tally, check_end, tally

COLUMNS = ("fault", "runs", "duplicates", "zombies", "lost reports")
_REPORTS_BETWEEN = 6
_TRIALS_PER_CELL = 6
# Two cells, and the sweep itself.
_N_RUNS = 2 * _TRIALS_PER_CELL + 1


def broken(
    stack: Stack, sweep: str, waiting: list[str], folder: Path, *, trials_per_cell: int = _TRIALS_PER_CELL
) -> Tally:
    """A sweep of the stack under faults, one after the other, resumed where one ends it, and judged at its end.

    Args:
        stack: up, with one worker.
        sweep: its name.
        waiting: names of faults, in the order in which they are to hit; those that did are taken from it.
        folder: of this machine, where the command runs.
        trials_per_cell: of two cells; more faults need more.
    """
    folder.mkdir()
    one_core = os.cpu_count() or 1
    plan = write_plan(folder / "plan.toml", trials_per_cell=trials_per_cell, max_epochs=10, at_a_time=one_core)
    words = ["--plan", plan, "--name", sweep]
    for start in range(len(waiting) + 2):
        with stack.sweep(*words, folder=folder / str(start)) as driver:
            _hit(stack, sweep, driver, waiting)
            ended = driver.end(timeout_s=900)
        assert "Traceback" not in ended.seen, ended.seen
        if ended.code == 0:
            break
        print(f"{sweep} ended with {ended.code} and is resumed:\n{ended.seen}")
        words = ["--resume", sweep]
    assert ended.code == 0, ended.seen
    with stack.tracker() as client:
        check_end(client, stack.journal(sweep))
        return tally(client, stack.journal(sweep))


def _hit(stack: Stack, sweep: str, driver: Command, waiting: list[str]) -> None:
    """Inject faults until one ends the driver, or the sweep is at its end."""
    while waiting:
        fault, n_reports = CLUSTER_FAULTS[waiting[0]], _n_reports(stack, sweep) + _REPORTS_BETWEEN
        while _n_reports(stack, sweep) < n_reports:
            if driver.has_ended:
                return
            time.sleep(0.2)
        fault.inject(stack)
        waiting.pop(0)
        if fault.ends:
            return


def _n_reports(stack: Stack, sweep: str) -> int:
    journal = stack.journal(sweep)
    return sum(isinstance(event, Reported) for _, event in read_events(journal)) if journal.exists() else 0


def table(rows: Iterable[tuple[str, Tally]]) -> str:
    """As Markdown."""
    lines: list[Sequence[object]] = [COLUMNS, ["---"] * len(COLUMNS)]
    lines += [(fault, counts.runs, counts.duplicates, counts.zombies, counts.lost) for fault, counts in rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def soak_cluster(stack: Stack, folder: Path, names: Iterable[str]) -> list[tuple[str, Tally]]:
    """Each fault in a sweep of its own, saying how it goes; what came of it."""
    rows = []
    for number, name in enumerate(names):
        started, waiting = time.monotonic(), [name]
        try:
            rows.append((name, broken(stack, f"broken-{number}", waiting, folder / str(number))))
            assert not waiting, "the sweep was at its end before"
        except Exception:
            traceback.print_exc()
            rows.append((f"{name}: failed", Tally()))
        stack.up("--scale", "ray-worker=1", "ray-worker")
        print(table(rows[-1:]).splitlines()[-1], f"{time.monotonic() - started:.0f} s", flush=True)
    return rows


def is_right(rows: Iterable[tuple[str, Tally]]) -> bool:
    """No run is missing or there twice, and none lacks anything."""
    return all(counts == Tally(runs=_N_RUNS) for _, counts in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(CLUSTER_FAULTS), help="this fault; may be given again")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder, engine(), Stack(Path(folder)) as stack:
        rows = soak_cluster(stack, Path(folder), given.only or CLUSTER_FAULTS)
    print(table(rows))
    return 0 if is_right(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
