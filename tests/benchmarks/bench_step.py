"""What a training step costs in each way to compute it, as ratios in one run; and that the way does not matter else.

    python -m pytest tests/benchmarks/bench_step.py -m benchmark -s

One thread, as a trial of the plan `quick` has. The ways of a cell take turns, the fastest round of each counts.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from ser.experiment.experiment import Experiment
from ser.experiment.step_timing import MEMORY_FORMAT, PLAIN, PRECISION, choose_fastest, measure_step_times
from ser.experiment.trial import Trial
from ser.experiment.trial_data import TrialData
from ser.settings.ranges import Value
from ser.splits.split import partition
from ser.sweep.plan import Plan
from ser.sweep.plan_files import read_plan, with_settings
from tests.support.trial_inputs import trial_data

PLANS = Path(__file__).resolve().parents[2] / "tune" / "plans"
QUICK = read_plan("quick", folder=PLANS)
WIDE = with_settings(Plan(cells=("vgg16-2d",)), {"model.norm": "batch", "model.width": 0.5})
SEEDS = (0, 1, 2)

pytestmark = pytest.mark.benchmark


def name_of(values: Mapping[str, object]) -> str:
    return f"{values[PRECISION]} {values[MEMORY_FORMAT]}"


def test_the_chosen_way_is_not_slower_when_measured_again_and_vgg16_2d_is_twice_as_fast():
    torch.set_num_threads(1)
    cells = {**QUICK.experiments, "vgg16-2d, half of the published width": WIDE.experiments["vgg16-2d"]}
    print()
    for cell, experiment in cells.items():
        chosen = name_of(choose_fastest(measure_step_times(experiment)).values)
        again = {name_of(way.values): way.ms_per_clip for way in measure_step_times(experiment)}
        ratio = again[name_of(PLAIN)] / again[chosen]
        listed = ", ".join(f"{name} {ms:.2f}" for name, ms in again.items())
        print(f"{cell:<38} {chosen}: plain / chosen {ratio:.2f}   (ms a clip: {listed})")
        assert ratio > 0.95
        if experiment.cell.architecture == "vgg16" and len(again) == 4:
            assert ratio >= 2


def ms_per_clip(experiment: Experiment, n_threads: int) -> float:
    torch.set_num_threads(n_threads)
    return choose_fastest(measure_step_times(experiment)).ms_per_clip


def test_a_thread_for_each_trial_trains_more_than_all_threads_for_one():
    n_cores = os.cpu_count()
    print()
    with ProcessPoolExecutor(n_cores, mp_context=get_context("spawn")) as pool:
        for cell, experiment in QUICK.experiments.items():
            beside = list(pool.map(ms_per_clip, [experiment] * n_cores, [1] * n_cores))
            alone = pool.submit(ms_per_clip, experiment, n_cores).result()
            ratio = alone / (statistics.mean(beside) / n_cores)
            print(f"{cell:<12} {n_cores} trials of one thread / one trial of {n_cores} threads: {ratio:.2f} clips")


@pytest.fixture(scope="module")
def pictures(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> TrialData:
    """Log-mel spectrograms of the clips of 16 actors."""
    folder = tmp_path_factory.mktemp("cremad")
    subprocess.run([sys.executable, shared_dir / "cremad" / "unpack", folder, "--actors", "16"], check=True)
    return trial_data(QUICK.experiments["vgg16-2d"], folder)


def best_uars(data: TrialData, precision: str) -> list[float]:
    fixed: dict[str, Value] = {"training.max_epochs": 12, PRECISION: precision, MEMORY_FORMAT: "channels_last"}
    quick = QUICK.experiments["vgg16-2d"].with_values(fixed)
    trials = [Trial(quick.with_values({"training.seed": seed}), data) for seed in SEEDS]
    return [list(trial.epochs())[-1].best_val_uar for trial in trials]


def test_bfloat16_learns_what_float32_learns(pictures: TrialData):
    torch.set_num_threads(1)
    uars = {precision: best_uars(pictures, precision) for precision in ("float32", "bfloat16")}
    parts = partition(pictures.clips, QUICK.experiments["vgg16-2d"].split)
    n_train, n_validation = len(parts.train), len(parts.validation)
    print(f"\nvgg16-2d, assignment split, {n_train} training and {n_validation} validation clips, best of 12 epochs,")
    print(f"validation UAR of seeds {SEEDS}:")
    for precision, seen in uars.items():
        print(f"{precision:<9} {[round(100 * uar, 1) for uar in seen]}, mean {100 * statistics.mean(seen):.1f} %")
    difference = statistics.mean(uars["bfloat16"]) - statistics.mean(uars["float32"])
    noise = statistics.stdev([*uars["float32"]]) + statistics.stdev([*uars["bfloat16"]])
    print(f"difference {100 * difference:+.1f} points, standard deviations of both over seeds {100 * noise:.1f}")
    assert abs(difference) < max(0.03, 2 * noise)
