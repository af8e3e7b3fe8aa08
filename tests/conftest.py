"""What all tests share: the tiers, the end of an interrupted run, the real clips, and a small synthetic corpus."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings

import ser.distributed  # noqa: F401 - before Ray: it sets what Ray reads when it is imported
from tests.support import tiers
from tests.support.process_guard import Guard
from tests.support.process_tree import children_of

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
os.environ.setdefault("OMP_NUM_THREADS", "1")

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"
REAL_CLIPS = SHARED / "cremad"

_GUARD = pytest.StashKey[Guard]()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    return tiers.n_processes(config)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> tiers.Files | None:
    return tiers.Files(config, log) if config.option.dist == "loadscope" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tiers.order(items)


def pytest_configure(config: pytest.Config) -> None:
    """Tear down fixtures on SIGTERM as on Ctrl-C, and end what is left after any end of this process."""
    # A shell that starts this with & has it ignore Ctrl-C, and every command below it too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config, "workerinput"):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        return
    guard = config.stash[_GUARD] = Guard()

    def stop(number: int, frame: FrameType | None) -> None:
        if config.option.numprocesses:
            for worker in children_of(os.getpid()) - {guard.pid}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGTERM)
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGTERM, stop)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say, as the last lines, what the run left out, and end what it left behind."""
    if (reporter := config.pluginmanager.get_plugin("terminalreporter")) and not hasattr(config, "workerinput"):
        for line in tiers.others(config.option.markexpr):
            reporter.write_line(line)
    if guard := config.stash.get(_GUARD, None):
        guard.close()


def pytest_report_header() -> str:
    """One line at the top of a run about the real clips."""
    if REAL_CLIPS.is_dir():
        return f"real clips: {REAL_CLIPS}"
    return f"real clips: none at {REAL_CLIPS}; tests that need them are skipped, the real path takes synthetic ones"


@pytest.fixture(autouse=True)
def no_tracker_is_left_behind() -> Iterator[None]:
    """MLflow keeps the tracker of whoever named one last, in its memory and in MLFLOW_TRACKING_URI."""
    yield
    if "mlflow" in sys.modules:
        sys.modules["mlflow"].set_tracking_uri(None)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    if not REAL_CLIPS.is_dir():
        pytest.skip(f"the real clips are not there ({REAL_CLIPS})")
    return SHARED


@pytest.fixture(scope="session")
def synthetic_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from ser.corpora.synthetic import make_synthetic

    folder = tmp_path_factory.mktemp("synthetic")
    make_synthetic(folder, n_speakers=10, n_sentences=2)
    return folder
