"""A run of pytest that is interrupted in the middle of tests, and what it leaves."""

import sys
import time
from pathlib import Path
from signal import Signals

from tests.support.command_runner import REPOSITORY, Finished, running
from tests.support.endless_tests import BEGUN
from tests.support.process_tree import environment_of, lives, process_ids, title_of

ENDLESS = REPOSITORY / "tests" / "support" / "endless_tests.py"


def interrupt(
    folder: Path, *tests: str, signal: Signals, n_workers: int = 0, everyone: bool = False, most_s: float = 300
) -> Finished:
    """Send `signal` once all `tests` are under way; how the run ended.

    Args:
        folder: empty; what the run is started with names it, so that its processes can be told.
        tests: of `endless_tests.py`, as many as workers, or one.
        signal: to be sent.
        n_workers: 0 for none.
        everyone: to the workers too, as a terminal does.
        most_s: until the tests are under way.
    """
    words = [sys.executable, "-m", "pytest", "-n", n_workers, "-p", "no:cacheprovider", "--basetemp", folder / "base"]
    chosen = [f"{ENDLESS}::{name}" for name in tests]
    dist = ["--dist", "load"] if n_workers else []
    with running(*words, *dist, *chosen, folder=folder, variables={BEGUN: str(folder)}) as command:
        begun = [folder / name.removeprefix("test_") for name in tests]
        command.wait_until(lambda: all(path.exists() for path in begun), timeout_s=most_s)
        command.signal(signal, everyone=everyone)
        return command.end(timeout_s=120)


def left_by(folder: Path, *, most_s: float = 60) -> list[str]:
    """Command lines of processes that the run in `folder` started and that do not end within `most_s`."""
    mark, deadline = f"{BEGUN}={folder}".encode(), time.monotonic() + most_s
    while (found := [pid for pid in process_ids() if mark in environment_of(pid) and lives(pid)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.2)
    return [title_of(pid) for pid in found]
