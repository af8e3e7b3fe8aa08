"""Break sweeps in every way, many times over, and print what came of it.

`pytest -m soak tests/soak/test_faults_at_length.py` does the same.

python -m tests.support.soak
python -m tests.support.soak --only "driver: kill -9" --faults 10 --seed 7
"""

import argparse
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from ser.console import format_duration
from ser.corpora.synthetic import make_synthetic
from tests.support.command_runner import run_sweep
from tests.support.fault_environment import NAME, Stage, staged, write_plan
from tests.support.injected_faults import FAULTS
from tests.support.postgres_server import postgres_is_installed
from tests.support.small_disk import mounting_is_permitted
from tests.support.sweep_checks import Tally, check_end, check_equal, check_repeated, continued, interrupted, tally
from tests.support.sweep_results import journal_of
from tests.support.sweep_under_faults import endure

N_FAULTS = 100
COLUMNS = ("fault", "database", "times injected", "runs", "duplicates", "zombies", "lost reports", "continued", "wrong")


@dataclass
class Row:
    """What came of one fault on one database."""

    fault: str
    database: str
    injected: int = 0
    counted: Tally = field(default_factory=Tally)
    interrupted: int = 0
    continued: int = 0
    wrong: int = 0

    def cells(self) -> list[object]:
        counts = self.counted
        resumed = f"{self.continued}/{self.interrupted}"
        return [
            self.fault, self.database, self.injected, counts.runs, counts.duplicates, counts.zombies, counts.lost,
            resumed, self.wrong,
        ]  # fmt: skip


class Soak:
    """Sweeps in `folder`, one after the other, each broken a few times by one fault."""

    def __init__(self, folder: Path, rng: Random) -> None:
        self._folder, self._rng = folder, rng
        make_synthetic(folder / "corpus")
        self.undisturbed = self._undisturbed()

    def sweep(self, row: Row, number: int, n_faults: int) -> None:
        """One sweep under up to `n_faults` faults; what came of it goes into `row`."""
        fault = FAULTS[row.fault]
        folder = self._folder / f"{len(list(self._folder.iterdir())):03d}-{number}"
        parts = {fault.part, "postgres" if row.database == "PostgreSQL" else ""} - {""}
        at_a_time = 2 if fault.part == "cluster" else 1
        with staged(folder, self._words(at_a_time), rng=self._rng, parts=sorted(parts)) as stage:
            row.injected += endure(stage, [fault] * n_faults)
            self._judge(row, stage, at_a_time)

    def _judge(self, row: Row, stage: Stage, at_a_time: int) -> None:
        row.counted += tally(stage.client, stage.journal)
        touched = interrupted(stage.record(), stage.moments)
        row.interrupted += len(touched)
        row.continued += sum(continued(stage.journal, key) for key in touched)
        check_end(stage.client, stage.journal)
        if at_a_time == 1:
            check_equal(stage.journal, self.undisturbed)
        else:
            completed = [key for key, trial in stage.record().trials.items() if trial.outcome == "completed"]
            check_repeated(stage.client, stage.journal, self._rng.choice(completed))

    def _words(self, at_a_time: int) -> list[object]:
        path = self._folder / f"{at_a_time}.toml"
        plan = write_plan(path, at_a_time=at_a_time, max_epochs=10)
        return ["--plan", plan, "--corpus-dir", self._folder / "corpus"]

    def _undisturbed(self) -> Path:
        folder = self._folder / "undisturbed"
        folder.mkdir()
        ended = run_sweep(*self._words(1), "--name", NAME, folder=folder)
        assert ended.code == 0, ended.seen
        return journal_of(folder / ".ser", NAME)


def possible(names: list[str], folder: Path) -> list[str]:
    """The faults that can be injected on this machine; the others are named."""
    there = {"postgres": postgres_is_installed(), "disk": mounting_is_permitted(folder)}
    for name in names:
        if not there.get(FAULTS[name].part, True):
            print(f"left out, for want of a {FAULTS[name].part} to break: {name}")
    return [name for name in names if there.get(FAULTS[name].part, True)]


def shares(names: list[str], n_faults: int) -> Iterator[tuple[Row, int]]:
    """Each fault and how often, on one database and the other in turn."""
    for number, name in enumerate(names):
        postgres = FAULTS[name].part == "postgres" or (number % 2 and postgres_is_installed())
        times = n_faults // len(names) + (number < n_faults % len(names))
        yield Row(name, "PostgreSQL" if postgres else "SQLite"), times


def table(rows: list[Row]) -> str:
    """As Markdown."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def soak(folder: Path, rng: Random, names: list[str], n_faults: int) -> list[Row]:
    """Inject the faults, saying how it goes; the finished rows."""
    started, soaking, rows = time.monotonic(), Soak(folder, rng), []
    for row, times in shares(names, n_faults):
        rows.append(row)
        for number in range(2 * times):
            if row.injected >= times or row.wrong:
                break
            try:
                soaking.sweep(row, number, min(FAULTS[row.fault].per_sweep, times - row.injected))
            except Exception:
                row.wrong += 1
                traceback.print_exc()
        done, gone = sum(row.injected for row in rows), time.monotonic() - started
        left = gone / max(1, done) * (n_faults - done)
        print(*row.cells(), sep=" | ")
        print(
            f"{done} of {n_faults} faults, {format_duration(gone)} gone, about {format_duration(left)} left", flush=True
        )
    return rows


def n_wrong(rows: Iterable[Row]) -> int:
    """How many sweeps, runs, points and models are not as they should be."""
    return sum(row.wrong + row.counted.duplicates + row.counted.zombies + row.counted.lost for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=N_FAULTS, help=f"how many in all; default {N_FAULTS}")
    parser.add_argument("--only", action="append", choices=list(FAULTS), help="this fault; may be given again")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments; default 0")
    given = parser.parse_args()
    # A shell that starts this with & has it ignore Ctrl-C, and every sweep below it too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        names = possible(given.only or list(FAULTS), Path(folder) / "mounted")
        rows = soak(Path(folder), Random(given.seed), names, given.faults)
    print(table(rows))
    return 1 if n_wrong(rows) else 0


if __name__ == "__main__":
    sys.exit(main())
