"""What several test modules need: the shared real clips, and a small synthetic corpus."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import ser.distributed  # noqa: F401 - before Ray: it sets what Ray reads when it is imported

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
os.environ.setdefault("OMP_NUM_THREADS", "1")

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"
REAL_CLIPS = SHARED / "cremad"


def pytest_report_header() -> str:
    """One line at the top of a run about the real clips."""
    if REAL_CLIPS.is_dir():
        return f"real clips: {REAL_CLIPS}"
    return f"real clips: none at {REAL_CLIPS}; tests that need them are skipped"


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
