"""Tests that never end, for runs of pytest that are interrupted: no run finds this file unless it is given its path."""

import os
import subprocess
import time
from pathlib import Path

from tests.support.command_runner import running

BEGUN = "SER_TEST_BEGUN"
_SLEEP = "600"


def _begin(name: str) -> None:
    (Path(os.environ[BEGUN]) / name).touch()
    time.sleep(float(_SLEEP))


def test_commands(tmp_path: Path) -> None:
    """One in a session of its own, one that ignores what a terminal sends, and one that no fixture ends."""
    kept = subprocess.Popen(["sleep", _SLEEP], start_new_session=True)
    words = f"setsid sleep {_SLEEP} & trap '' INT TERM; sleep {_SLEEP} & wait"
    with running("sh", "-c", words, folder=tmp_path):
        _begin("commands")
    kept.wait()


def test_processes() -> None:
    with subprocess.Popen(["sleep", _SLEEP]):
        _begin("processes")


def test_engine() -> None:
    # Here, because the import takes longest.
    from tests.support.container_stack import engine

    with engine():
        _begin("engine")
