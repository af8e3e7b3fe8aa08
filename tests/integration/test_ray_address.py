"""A sweep on a Ray that runs already."""

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.command_runner import free_port, run_sweep, running
from tests.support.sweep_results import check_runs, client_of, journal_of

pytestmark = pytest.mark.integration

RAY = Path(sys.executable).with_name("ray")


def test_a_sweep_runs_on_the_ray_that_ray_address_names(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, plan_file: Path, corpus_dir: Path
) -> None:
    port, session = free_port(), tempfile.mkdtemp(prefix="ray-")  # sockets lie in it: its path must be short
    place = [f"--port={port}", "--node-ip-address=127.0.0.1", f"--temp-dir={session}", "--num-cpus=2"]
    head = [RAY, "start", "--head", "--block", *place, "--include-dashboard=false", "--disable-usage-stats"]
    with running(*head, folder=tmp_path_factory.mktemp("head")) as cluster:
        cluster.wait_until(lambda: "Ray runtime started" in cluster.text)
        words = ["--plan", plan_file, "--corpus-dir", corpus_dir, "--name", "there", "--trials-per-cell", "1"]
        variables = {"RAY_ADDRESS": f"127.0.0.1:{port}"}
        ended = run_sweep(*words, folder=tmp_path, variables=variables)
        assert ended.code == 0, ended.seen
        check_runs(client_of(tmp_path), journal_of(tmp_path / ".ser", "there"))
    assert list(Path(session).glob("session_2*/logs/worker-*.out")), "no worker of that Ray did anything"
    shutil.rmtree(session)
