"""How each cell computes its training steps: measured where its trials will run, then kept, for this machine.

What was measured once is taken again, so that two sweeps in one home compute alike and can be compared bit for bit.
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
    """The plan with the fastest way of each cell among its settings; what the plan fixes itself stays.

    Args:
        plan: of a new sweep.
        needs: of a trial, as Tune takes it: 'cpu' and 'gpu'.
        home: where measurements are kept.
        console: told what was chosen.
    """
    fixed = {cell: PLAIN.keys() & plan.fixed(cell) for cell in plan.cells}
    open_cells = {cell: x for cell, x in plan.experiments.items() if len(fixed[cell]) < len(PLAIN)}
    keys = {cell: _key(experiment, needs, fixed[cell]) for cell, experiment in open_cells.items()}
    known = _read(home / _FILE)
    missing = [cell for cell in open_cells if keys[cell] not in known]
    if missing:
        console.print(f"Measuring how {len(missing)} cells train fastest here ...")
        probe = _probe.options(num_cpus=needs["cpu"], num_gpus=needs["gpu"])
        probing = {cell: probe.remote(open_cells[cell], needs, fixed[cell]) for cell in missing}
        measured = {cell: _measured(ways) for cell, ways in probing.items()}
        known |= {keys[cell]: ways for cell, ways in measured.items() if ways}
        _write(home / _FILE, known)
    chosen = {cell: known[keys[cell]] for cell in open_cells if keys[cell] in known}
    for line in _told(chosen):
        console.print(line)
    return _with_ways(plan, {cell: choose_fastest(ways) for cell, ways in chosen.items()})


def _measured(ways: ray.ObjectRef[tuple[StepTiming, ...]]) -> tuple[StepTiming, ...]:
    """What was measured of a cell; nothing where it fails: its trials will, and say why."""
    try:
        return get_result(ways)
    except Exception:
        return ()


@ray.remote(max_retries=3)
def _probe(experiment: Experiment, needs: Mapping[str, float], fixed: Set[str]) -> tuple[StepTiming, ...]:
    torch.set_num_threads(max(1, int(needs["cpu"])))
    return measure_step_times(experiment, device="cuda" if needs["gpu"] else "cpu", fixed=fixed)


def _with_ways(plan: Plan, ways: Mapping[str, StepTiming]) -> Plan:
    cell_settings = {
        cell: {
            **plan.cell_settings.get(cell, {}),
            **{name: value for name, value in way.values.items() if name not in plan.settings},
        }
        for cell, way in ways.items()
    }
    return replace(plan, cell_settings={**plan.cell_settings, **cell_settings})


def _told(chosen: Mapping[str, tuple[StepTiming, ...]]) -> list[str]:
    """A line for each cell that does not train the plain way."""
    lines = []
    for cell, (plain, *others) in chosen.items():
        best = choose_fastest((plain, *others))
        if best is not plain:
            how = ", ".join(str(best.values[name]) for name in PLAIN)
            lines.append(f"{cell} trains {plain.ms_per_clip / best.ms_per_clip:.1f} times as fast with {how}")
    return lines


def _key(experiment: Experiment, needs: Mapping[str, float], fixed: Set[str]) -> str:
    """Of all that the time of a step depends on, machine included."""
    parts = ("features.", "model.", "augment.", "training.batch_size")
    described = {name: v for name, v in experiment.flat().items() if name.startswith(parts) or name in fixed}
    machine = [_processor(), sorted(name for name in resources() if name.startswith("accelerator_type"))]
    content = [experiment.cell.name, described, machine, dict(needs), torch.__version__]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} {names[0] if names else platform.processor()}"


def _read(path: Path) -> dict[str, tuple[StepTiming, ...]]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        return {key: tuple(StepTiming(**way) for way in ways) for key, ways in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        # Measured again: nothing is lost.
        return {}


def _write(path: Path, known: Mapping[str, tuple[StepTiming, ...]]) -> None:
    write_text(path, json.dumps({key: [vars(way) for way in ways] for key, ways in known.items()}, indent=1))
