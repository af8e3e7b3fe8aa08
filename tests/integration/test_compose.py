"""The stack for a team: from `up` to a served champion, and a sweep that goes on whatever happens to its machines."""

from pathlib import Path

import pytest

from tests.support.container_faults import CLUSTER_FAULTS
from tests.support.container_soak import broken
from tests.support.container_stack import Stack
from tests.support.model_server import Server, request_of, text
from tests.support.sweep_checks import Tally, check_end

pytestmark = pytest.mark.containers


def test_a_sweep_runs_on_the_cluster_and_its_champion_answers(stack: Stack, tmp_path: Path, corpus_dir: Path) -> None:
    words = ["--plan", "demo", "--cells", "lenet5-1d,lenet5-2d", "--name", "demo"]
    with stack.service(*words, folder=tmp_path / "sweep") as sweep:
        ended = sweep.end(timeout_s=600)
    assert ended.code == 0, ended.seen
    with stack.tracker() as client:
        check_end(client, stack.journal("demo"))
    stack.up("serving", "gateway")
    clip = next(corpus_dir.rglob("*.wav")).read_bytes()
    with Server(stack.ports["SERVING_PORT"], process=0).another() as server:
        assert len(server.post(request_of([text(clip)])).rows) == 1


def test_workers_see_neither_corpus_nor_tracker(stack: Stack) -> None:
    (worker,) = stack.containers("ray-worker")
    assert stack.inside(worker, "ls", "/data") == ""
    assert stack.inside(worker, "ls", "/secrets") == "ray"
    assert "MLFLOW_TRACKING" not in stack.inside(worker, "env")
    with pytest.raises(AssertionError, match="not known"):
        stack.inside(worker, "python", "-c", "import socket; socket.gethostbyname('mlflow')")


def test_sweeps_bear_all_that_mends_itself(stack: Stack, tmp_path: Path) -> None:
    waiting = [name for name, fault in CLUSTER_FAULTS.items() if not fault.ends]
    # A machine that is fast enough has ended one sweep before the last fault.
    for number in range(len(waiting)):
        counts = broken(stack, f"borne-{number}", waiting, tmp_path / str(number), trials_per_cell=16)
        assert counts == Tally(runs=33)
        if not waiting:
            break
    assert waiting == []


def test_a_sweep_is_resumed_when_the_cluster_is_back(stack: Stack, tmp_path: Path) -> None:
    waiting = [name for name, fault in CLUSTER_FAULTS.items() if fault.ends]
    counts = broken(stack, "resumed", waiting, tmp_path / "resumed")
    assert waiting == []
    assert counts == Tally(runs=13)
