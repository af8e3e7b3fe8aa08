"""A run of pytest that is stopped in its middle leaves no process behind."""

from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, Signals

import pytest

from tests.support.interrupted_run import interrupt, left_by

pytestmark = pytest.mark.integration

INTERRUPTED = 2


@pytest.mark.parametrize(("signal", "code"), [(SIGINT, INTERRUPTED), (SIGTERM, INTERRUPTED), (SIGKILL, -SIGKILL)])
def test_of_one_process(tmp_path: Path, signal: Signals, code: int) -> None:
    ended = interrupt(tmp_path, "test_commands", signal=signal)
    assert ended.code == code, ended.seen
    assert left_by(tmp_path) == []


@pytest.mark.parametrize(
    ("signal", "everyone", "code"),
    [(SIGINT, True, INTERRUPTED), (SIGTERM, False, INTERRUPTED), (SIGKILL, False, -SIGKILL)],
)
def test_with_workers(tmp_path: Path, signal: Signals, *, everyone: bool, code: int) -> None:
    tests = ("test_commands", "test_processes")
    ended = interrupt(tmp_path, *tests, signal=signal, n_workers=2, everyone=everyone)
    assert ended.code == code, ended.seen
    assert left_by(tmp_path) == []
