"""What a cluster of containers gains and costs: trials with one worker, with two, and on Ray without containers.

What two cores can give at all is measured beside it: one and two bare processes that train the same network at once.

    python -m pytest tests/benchmarks/bench_cluster.py -m benchmark -s

Real clips of 16 actors; six trials of half a minute a core, none stopped early. Every worker has one core; without
containers it is a Ray of two machines with a core each, both this one. Needs a Docker engine; about 10 minutes.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ser.sweep.journal import Asked, Ended, read_events
from tests.support.command_runner import REPOSITORY, run_sweep
from tests.support.container_stack import Stack, engine
from tests.support.ray_cluster import Cluster
from tests.support.sweep_results import journal_of

N_TRIALS = 6
PLAN = f"""
corpus = "cremad"
cells = ["sercnn-2d"]
trials_per_cell = {N_TRIALS}
max_epochs = 20
grace_epochs = 20
cpus_per_trial = 1
[settings]
"training.patience" = 20
"training.batch_size" = 32
"training.precision" = "float32"
"training.memory_format" = "contiguous"
"model.norm" = "batch"
"model.n_blocks" = 4
"model.channels" = 32
"model.convolutions_per_block" = 1
"model.kernel" = 3
"""

BARE = """
import sys
from pathlib import Path
import torch
from ser.sweep.plan_files import read_plan
from ser.experiment.trial import Trial
from tests.support.trial_inputs import trial_data


torch.set_num_threads(1)
plan, corpus = map(Path, sys.argv[1:])
(experiment,) = read_plan(str(plan), folder=plan).experiments.values()
epochs = Trial(experiment, trial_data(experiment, corpus)).epochs()
sys.stdin.readline()
print(sum(epoch.seconds for epoch, _ in zip(epochs, range(8))))
"""

pytestmark = pytest.mark.benchmark


@pytest.fixture(scope="module")
def places(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The corpora, with CREMA-D, and the plan."""
    folder = tmp_path_factory.mktemp("places")
    unpack: list[str | Path] = [
        sys.executable,
        shared_dir / "cremad" / "unpack",
        folder / "data" / "cremad",
        "--actors",
        "16",
    ]
    subprocess.run(unpack, check=True)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    (folder / "plan.toml").write_text(PLAN)
    return folder / "data", folder / "plan.toml"


def per_hour(journal: Path) -> float:
    """Trials, from the first that was asked for to the last that ended."""
    events = [event for _, event in read_events(journal)]
    begun = min(event.time_s for event in events if isinstance(event, Asked))
    ended = max(event.time_s for event in events if isinstance(event, Ended))
    return 3600 * N_TRIALS / (ended - begun)


def bare_seconds(n_processes: int, corpora: Path, plan: Path) -> float:
    """What eight epochs take in each of as many processes at once, on average."""
    words = [sys.executable, "-c", BARE, str(plan), str(corpora / "cremad")]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(words, cwd=REPOSITORY, **pipes) for _ in range(n_processes)]
    with ThreadPoolExecutor() as threads:
        told = [done[0] for done in threads.map(lambda process: process.communicate("go\n"), started)]
    return sum(map(float, told)) / n_processes


def test_two_workers_do_nearly_twice_as_much_and_containers_cost_little(
    places: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
):
    corpora, plan = places
    folder = tmp_path_factory.mktemp("cluster")
    rates = {}
    with engine(), Stack(folder, settings={"CORPORA": str(corpora)}) as stack:
        for n_workers in (1, 2):
            stack.up("--scale", f"ray-worker={n_workers}", "--no-recreate")
            name = f"workers-{n_workers}"
            with stack.sweep("--plan", plan, "--name", name, folder=folder / name) as sweep:
                ended = sweep.end(timeout_s=1200)
            assert ended.code == 0, ended.seen
            rates[name] = per_hour(stack.journal(name))
    with Cluster(folder / "ray") as cluster:
        words = ["--plan", plan, "--name", "local", "--corpus-dir", corpora / "cremad"]
        ended = run_sweep(*words, folder=folder, variables={"RAY_ADDRESS": cluster.address}, timeout_s=1200)
        assert ended.code == 0, ended.seen
        rates["local"] = per_hour(journal_of(folder / ".ser", "local"))
    bare = 2 * bare_seconds(1, corpora, plan) / bare_seconds(2, corpora, plan)
    print("\n| Ray | trials an hour |\n|---|---|")
    for name, rate in rates.items():
        print(f"| {name} | {rate:.1f} |")
    gained, cost = rates["workers-2"] / rates["workers-1"], rates["local"] / rates["workers-2"]
    print(f"two workers: {gained:.2f} times the trials of one; two bare processes: {bare:.2f} times the epochs of one")
    print(f"containers: {cost:.3f} of the time without")
    assert gained >= 1.8
    assert cost <= 1.1
