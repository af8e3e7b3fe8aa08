"""What a sweep wastes: against a plain loop over the same trials, and of the time of its processors.

    python -m pytest tests/benchmarks/bench_sweep.py -m benchmark -s

Real clips of 32 actors; two trials of a minute or so a core, none stopped early. The loop trains what the sweep's
journal asked for, one after the other with all threads, without Ray and MLflow. About 6 minutes.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ser.experiment.experiment import from_flat
from ser.experiment.trial import Trial
from ser.sweep.journal import Asked, Ended, Reported, read_events
from ser.sweep.state import replay
from tests.support.trial_inputs import trial_data

SWEEP = Path(__file__).resolve().parents[2] / "tune" / "run_sweep.py"
N_CORES = os.cpu_count() or 1
PLAN = f"""
corpus = "cremad"
cells = ["sercnn-2d"]
trials_per_cell = {2 * N_CORES}
max_epochs = 25
grace_epochs = 25
[settings]
"training.patience" = 25
"training.batch_size" = 32
"model.norm" = "batch"
"model.n_blocks" = 4
"model.channels" = 32
"model.convolutions_per_block" = 1
"model.kernel" = 3
"""

pytestmark = pytest.mark.benchmark


@pytest.fixture(scope="module")
def corpus_dir(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cremad")
    subprocess.run([sys.executable, shared_dir / "cremad" / "unpack", folder, "--actors", "32"], check=True)
    return folder


@pytest.fixture(scope="module")
def journal(corpus_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "plan.toml").write_text(PLAN)
    words = ["--plan", "plan.toml", "--corpus-dir", str(corpus_dir), "--name", "bench"]
    subprocess.run([sys.executable, str(SWEEP), *words], cwd=folder, check=True)
    return folder / ".ser" / "sweeps" / "bench" / "journal.jsonl"


def test_nine_tenths_of_the_processors_time_is_training(journal: Path):
    events = [event for _, event in read_events(journal)]
    reports = [event for event in events if isinstance(event, Reported)]
    trained_s = sum(report.seconds for report in reports)
    wall_s = reports[-1].time_s - (reports[0].time_s - reports[0].seconds)
    share = trained_s / (N_CORES * wall_s)
    trials = [event.time_s for event in events if isinstance(event, Ended)]
    print(f"\n{len(trials)} trials, {len(reports)} epochs in {wall_s:.0f} s on {N_CORES} cores")
    print(f"inside training and evaluation: {100 * share:.1f} % of wall time x cores")
    assert share >= 0.9


def test_a_sweep_takes_hardly_longer_than_a_plain_loop(journal: Path, corpus_dir: Path):
    events = [event for _, event in read_events(journal)]
    asked = [event for event in events if isinstance(event, Asked)]
    sweep_s = max(event.time_s for event in events if isinstance(event, Ended)) - asked[0].time_s
    torch.set_num_threads(N_CORES)
    experiments = [from_flat(trial.asked.values) for trial in replay(journal).trials.values()]
    data = trial_data(experiments[0], corpus_dir)
    started = time.monotonic()
    for experiment in experiments:
        trial = Trial(experiment, data)
        for _ in trial.epochs():
            pass
        trial.finish(journal.parent / "plain" / experiment.cell.name)
    loop_s = time.monotonic() - started
    print(f"\nsweep {sweep_s:.0f} s, plain loop {loop_s:.0f} s with {N_CORES} threads: {sweep_s / loop_s:.2f}")
    assert sweep_s / loop_s <= 1.15
