"""The tiers of the tests: which markers there are, in which order files run, and on how many processes."""

import os
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# What plain `pytest` leaves out.
SLOW = {
    "integration": "real processes: Ray, MLflow, model servers, PostgreSQL, a browser",
    "containers": "the stack of docker/compose.yaml, built, used and broken",
    "soak": "a hundred faults, each of the cluster's, a hundred thousand requests; hours",
}
# Begun first, so that nothing else waits for them at the end; the longest first.
LONGEST = (
    "test_interrupted_engine.py",
    "test_compose_trust.py",
    "test_compose.py",
    "test_faults.py",
    "test_earlier_version.py",
    "test_readme.py",
    "test_ray_jobs.py",
    "test_smallest_sweep.py",
    "test_report_recomputed.py",
    "test_librosa.py",
    "test_models.py",
)
# Files that share what a session starts, and so one worker process: the engine and the stack; a model server.
TOGETHER = (
    ("test_interrupted_engine.py", "test_compose_trust.py", "test_compose.py"),
    ("test_refusals.py", "test_serving.py", "test_fuzz.py"),
)
_MOST = 4


def n_processes(config: pytest.Config) -> int:
    """Worker processes of a run; 0, and so none but pytest's own, where they would only be in the way."""
    marks = str(config.option.markexpr)
    one_file = len(config.args) == 1 and ".py" in config.args[0]
    if config.option.capture == "no" or one_file or marks in ("soak", "benchmark"):
        return 0
    n_cores = min(_MOST, max(2, os.cpu_count() or 2))
    # One more than cores where tests mostly wait for processes that start and end.
    return n_cores if marks.startswith("not ") else n_cores + 1


def order(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    rank = {name: at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


def others(selected: str) -> list[str]:
    """Lines about the tiers that the marker expression `selected` leaves out."""
    left = {name: what for name, what in SLOW.items() if f"not {name}" in selected}
    return [f"pytest -m {name:12} {what}" for name, what in left.items()]


class Files(LoadScopeScheduling):
    """A file stays on one worker process, and so do the files that share something."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return next((files[0] for files in TOGETHER if path.endswith(files)), path)
