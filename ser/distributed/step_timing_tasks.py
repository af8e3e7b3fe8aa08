"""Fastest precision and memory format of each cell, measured on a machine that runs trials, and kept in the home.

Kept measurements are used again, so that two sweeps in one home compute alike and can be compared bit for bit.
"""

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
import torch
from rich.console import Console

from ser.distributed.cluster import resources
from ser.distributed.tasks import get_result
from ser.experiment.experiment import Experiment
from ser.experiment.step_timing import PLAIN, StepTiming, choose_fastest, measure_step_times
from ser.files import write_text
from ser.sweep.plan import Plan

_FILE = "step_times.json"


def with_fastest_settings(plan: Plan, needs: Mapping[str, float], *, home: Path, console: Console) -> Plan:
    """Return the plan with the fastest precision and memory format of each cell; settings that it fixes are kept.

    Args:
        plan: plan of a new sweep.
        needs: resources of a trial in the form of Tune: 'cpu' and 'gpu'.
        home: folder of the measurements.
        console: for the choices that are not the default.
    """
    fixed = {cell: PLAIN.keys() & plan.fixed(cell) for cell in plan.cells}
    open_cells = {cell: x for cell, x in plan.experiments.items() if len(fixed[cell]) < len(PLAIN)}
    keys = {cell: _make_key(experiment, needs, fixed[cell]) for cell, experiment in open_cells.items()}
    known = _read(home / _FILE)
    missing = [cell for cell in open_cells if keys[cell] not in known]
    if missing:
        console.print(f"Measuring how {len(missing)} cells train fastest here ...")
        measure = _measure.options(num_cpus=needs["cpu"], num_gpus=needs["gpu"])
        tasks = {cell: measure.remote(open_cells[cell], needs, fixed[cell]) for cell in missing}
        measured = {cell: _get_timings(task) for cell, task in tasks.items()}
        known |= {keys[cell]: timings for cell, timings in measured.items() if timings}
        _write(home / _FILE, known)
    chosen = {cell: known[keys[cell]] for cell in open_cells if keys[cell] in known}
    for line in _format_choices(chosen):
        console.print(line)
    return _fix_settings(plan, {cell: choose_fastest(timings) for cell, timings in chosen.items()})


def _get_timings(task: ray.ObjectRef[tuple[StepTiming, ...]]) -> tuple[StepTiming, ...]:
    """Timings of a cell; empty where the task fails, because its trials will fail too and give the reason."""
    try:
        return get_result(task)
    except Exception:
        return ()


@ray.remote(max_retries=3)
def _measure(experiment: Experiment, needs: Mapping[str, float], fixed: Set[str]) -> tuple[StepTiming, ...]:
    torch.set_num_threads(max(1, int(needs["cpu"])))
    return measure_step_times(experiment, device="cuda" if needs["gpu"] else "cpu", fixed=fixed)


def _fix_settings(plan: Plan, fastest: Mapping[str, StepTiming]) -> Plan:
    cell_settings = {
        cell: {
            **plan.cell_settings.get(cell, {}),
            **{name: value for name, value in timing.values.items() if name not in plan.settings},
        }
        for cell, timing in fastest.items()
    }
    return replace(plan, cell_settings={**plan.cell_settings, **cell_settings})


def _format_choices(timings: Mapping[str, tuple[StepTiming, ...]]) -> list[str]:
    """Format a line for each cell for which the default is not the fastest."""
    lines = []
    for cell, (plain, *others) in timings.items():
        best = choose_fastest((plain, *others))
        if best is not plain:
            values = ", ".join(str(best.values[name]) for name in PLAIN)
            lines.append(f"{cell} trains {plain.ms_per_clip / best.ms_per_clip:.1f} times as fast with {values}")
    return lines


def _make_key(experiment: Experiment, needs: Mapping[str, float], fixed: Set[str]) -> str:
    """Digest of everything that the time of a training step depends on, including the machine."""
    parts = ("features.", "model.", "augment.", "training.batch_size")
    described = {name: v for name, v in experiment.flat().items() if name.startswith(parts) or name in fixed}
    machine = [_describe_processor(), sorted(name for name in resources() if name.startswith("accelerator_type"))]
    content = [experiment.cell.name, described, machine, dict(needs), torch.__version__]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _describe_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} {names[0] if names else platform.processor()}"


def _read(path: Path) -> dict[str, tuple[StepTiming, ...]]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        return {key: tuple(StepTiming(**timing) for timing in timings) for key, timings in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        # A missing or damaged file only means that the cells are measured again.
        return {}


def _write(path: Path, known: Mapping[str, tuple[StepTiming, ...]]) -> None:
    write_text(
        path, json.dumps({key: [vars(timing) for timing in timings] for key, timings in known.items()}, indent=1)
    )
