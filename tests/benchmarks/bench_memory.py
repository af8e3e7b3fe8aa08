"""What the features cost each trial in memory, as a share of the feature array, in one run.

    python -m pytest tests/benchmarks/bench_memory.py -m benchmark -s

Four trials at a time train one epoch on all real clips. Their processes' own memory (pages shared with nobody) is
compared with that of processes that train as many steps on a tenth of the clips: the difference is the array's cost.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
import torch
from rich.console import Console

from ser.commands.sweep_corpus import prepare_sweep_corpus
from ser.corpora.base import CORPORA
from ser.distributed.cluster import connect
from ser.distributed.shared_trial_data import share_trial_data
from ser.experiment.experiment import Experiment
from ser.experiment.trial import Trial
from ser.experiment.trial_data import TrialData
from ser.features.dataset import join_clips
from ser.features.spaces import name_stored_features
from ser.sweep.plan import Plan
from ser.sweep.plan_files import with_settings

CELLS = ("lenet5-1d", "lenet5-2d")
PLAN = with_settings(Plan(cells=CELLS, max_epochs=1), {"training.batch_size": 16})
N_TRIALS = 4

pytestmark = pytest.mark.benchmark
# Workers do not find this file by its name.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


def own_bytes() -> int:
    """Memory of this process that it shares with no other."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Private_"))


@ray.remote(num_cpus=0)
class Process:
    """A trial's process."""

    def train(self, experiment: Experiment, data: TrialData) -> int:
        """Bytes of its own after an epoch."""
        torch.set_num_threads(1)
        trial = Trial(experiment, data)
        for _ in trial.epochs():
            pass
        return own_bytes()


def tenth(data: TrialData) -> TrialData:
    chosen = range(0, len(data.clips), 10)
    return TrialData(
        matrix=join_clips([data.matrix.clip(position) for position in chosen]),
        clips=data.clips[::10],
        facts=data.facts[::10],
        emotions=data.emotions,
    )


@pytest.fixture(scope="module")
def shared(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ray.ObjectRef]]:
    with connect(None):
        experiments, folder = PLAN.experiments, shared_dir / "cremad"
        clips = CORPORA["cremad"]().scan(folder).clips
        store = tmp_path_factory.mktemp("store")
        prepared, _ = prepare_sweep_corpus(
            PLAN, clips, corpus_dir=str(folder), home=store, max_bad=1, console=Console(quiet=True)
        )
        yield share_trial_data(prepared, experiments.values(), Console(quiet=True))


@pytest.mark.parametrize("cell", CELLS)
def test_trials_share_the_features_of_a_machine(shared: dict[str, ray.ObjectRef], cell: str):
    experiment = PLAN.experiments[cell]
    ref = shared[name_stored_features(experiment.features)]
    data = ray.get(ref)
    array = data.matrix.frames.nbytes
    small, longer = ray.put(tenth(data)), experiment.with_values({"training.max_epochs": 10})
    least = min(ray.get([Process.remote().train.remote(longer, small) for _ in range(N_TRIALS)]))  # type: ignore[attr-defined]
    processes = [Process.remote() for _ in range(N_TRIALS)]  # type: ignore[attr-defined]
    own = ray.get([process.train.remote(experiment, ref) for process in processes])
    shares = [(bytes_ - least) / array for bytes_ in own]
    print(f"\n{cell}: {len(data.matrix):,} clips, array {array / 2**20:.0f} MiB; {N_TRIALS} trials at a time add")
    print(", ".join(f"{100 * share:.1f} %" for share in shares))
    assert max(shares) < 0.1
