"""Fixtures of the simulated sweep, whose tests write ten thousand events."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.simulated_sweep import run_to_end


@pytest.fixture(scope="session")
def memory() -> Iterator[Path]:
    """A folder in memory where the system has one, because the tests here write ten thousand events."""
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
    run_to_end(memory / "journal.jsonl")
    return memory / "journal.jsonl"
