"""A new sweep measures how each cell trains fastest, once for a machine, and leaves alone what its plan fixes."""

from pathlib import Path

import pytest
from rich.console import Console

from ser.distributed.cluster import connect
from ser.distributed.step_timing_tasks import with_fastest_settings
from ser.experiment.step_timing import MEMORY_FORMAT, PLAIN, PRECISION
from ser.sweep.plan import Plan

pytestmark = pytest.mark.integration

NEEDS = {"cpu": 1.0, "gpu": 0.0}
PLAN = Plan(corpus="synthetic", cells=("lenet5-1d", "lenet5-2d"), cell_settings={"lenet5-2d": {PRECISION: "float32"}})


def test_what_is_measured_is_fixed_for_each_cell_and_kept(tmp_path: Path) -> None:
    console, kept = Console(record=True, width=200), tmp_path / "step_times.json"
    with connect(None):
        first = with_fastest_settings(PLAN, NEEDS, home=tmp_path, console=console)
        assert "Measuring how 2 cells train fastest here" in console.export_text()
        measured = kept.read_bytes()
        assert with_fastest_settings(PLAN, NEEDS, home=tmp_path, console=console) == first
        assert "Measuring" not in console.export_text()
        assert kept.read_bytes() == measured
        kept.write_text("rubbish")
        with_fastest_settings(PLAN, NEEDS, home=tmp_path, console=console)
        assert "Measuring" in console.export_text()
        kept.unlink()
        both = {**first.cell_settings["lenet5-1d"]}
        fixed = Plan(corpus="synthetic", cells=("lenet5-1d",), settings=both)
        assert with_fastest_settings(fixed, NEEDS, home=tmp_path, console=console) == fixed
        assert not kept.exists()
        odd = Plan(corpus="synthetic", cells=("lenet5-1d",), settings={MEMORY_FORMAT: "channels_last"})
        odd = with_fastest_settings(odd, NEEDS, home=tmp_path, console=console)
        assert odd.experiments["lenet5-1d"].training.memory_format == "channels_last"
    assert first.cell_settings["lenet5-2d"][PRECISION] == "float32"
    for cell, experiment in first.experiments.items():
        assert PLAIN.keys() <= first.cell_settings[cell].keys()
        assert not PLAIN.keys() & first.search_spaces[cell].keys()
        assert {name: experiment.flat()[name] for name in PLAIN} == {
            name: first.cell_settings[cell][name] for name in PLAIN
        }
