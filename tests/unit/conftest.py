"""The played sweep, whose laws wait for ten thousand events to be written."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.simulated_sweep import whole


@pytest.fixture(scope="session")
def memory() -> Iterator[Path]:
    """A folder in memory, where there is such a place: the laws here wait for ten thousand events to be written."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def in_memory(memory: Path) -> Path:
    """A folder of its own in memory."""
    return Path(tempfile.mkdtemp(dir=memory))


@pytest.fixture(scope="session")
def uninterrupted(memory: Path) -> Path:
    """The journal of a sweep that nothing interrupted."""
    whole(memory / "journal.jsonl")
    return memory / "journal.jsonl"
