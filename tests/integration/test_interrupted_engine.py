"""A run of pytest that is stopped in its middle stops the Docker engine that it started."""

from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, Signals

import pytest

from tests.support.container_stack import ENGINE, answers, engine_variables
from tests.support.interrupted_run import interrupt, left_by

pytestmark = pytest.mark.containers


@pytest.mark.parametrize("signal", [SIGINT, SIGTERM, SIGKILL])
def test_the_engine_is_stopped_with_the_run_that_started_it(
    tmp_path: Path, signal: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not ENGINE.exists():
        pytest.skip(f"there is no {ENGINE} to start one")
    for name, value in engine_variables().items():
        monkeypatch.setenv(name, value)
    if answers():
        pytest.skip("the Docker engine runs already, and goes on")
    # Where it is started for the first time it makes its images.
    interrupt(tmp_path, "test_engine", signal=signal, most_s=900)
    assert left_by(tmp_path) == []
    assert not answers()
