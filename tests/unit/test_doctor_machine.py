"""The doctor on the machine: disk, memory, requirements of a plan, driver processes, and leftovers of Ray."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ser.corpora.cremad import CremaD
from ser.doctor.cluster import RayProcess, find_ray_processes, leftover_process_findings, ray_findings
from ser.doctor.disk import home_finding, ray_folder, ray_folder_finding, shared_memory_finding
from ser.doctor.finding import Finding, Level, format_size, problem_from
from ser.doctor.memory import free_bytes, memory_finding
from ser.doctor.requirements import Requirements, estimate_requirements
from ser.errors import UserError
from ser.experiment.bundle import build_network
from ser.sweep.driver_process import DriverProcess, current_driver, parse_driver
from ser.sweep.plan import Plan
from ser.sweep.plan_files import read_plan

PLANS = Path(__file__).resolve().parents[2] / "tune" / "plans"
NEEDS = Requirements(n_slots=2, features=500_000_000, trials_on_disk=10**9, memory=3 * 10**9)


def has_remedy(finding: Finding) -> bool:
    return (finding.level is Level.OK) != bool(finding.remedy)


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (3500, "3.5 kB"), (12e9, "12 GB"), (250e9, "250 GB"), (2e15, "2,000 TB")],
)
def test_sizes_are_printed_in_the_unit_that_fits(n_bytes: float, text: str) -> None:
    assert format_size(n_bytes) == text


def test_a_finding_has_the_problem_and_the_remedy_of_its_error() -> None:
    finding = problem_from("corpus", UserError("x is no folder: it is a file", "give a folder: another"))
    assert (finding.level, finding.check) == (Level.PROBLEM, "corpus")
    assert (finding.found, finding.remedy) == ("x is no folder: it is a file", "give a folder: another")
    assert has_remedy(problem_from("corpus", UserError("all is lost")))


def test_a_home_with_room_takes_a_write_and_keeps_nothing_of_it(tmp_path: Path) -> None:
    finding = home_finding(tmp_path / "not" / "there", needed=10)
    assert finding.level is Level.OK
    assert " free, a write takes " in finding.found
    assert not list(tmp_path.iterdir())


def test_a_plan_that_leaves_more_than_there_is_room_for_is_a_warning(tmp_path: Path) -> None:
    finding = home_finding(tmp_path, needed=10**18)
    assert finding.level is Level.WARNING
    assert "1,000,000 TB" in finding.found
    assert finding.remedy.startswith("free ")


def test_a_home_that_takes_no_write_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    finding = home_finding(tmp_path / "file", needed=10)
    assert finding.level is Level.PROBLEM
    assert "cannot be written to (Not a directory)" in finding.found
    assert "--home" in finding.remedy


def test_ray_s_folder_follows_what_ray_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert ray_folder() == tmp_path / "ray"
    finding = ray_folder_finding(ray_folder())
    assert str(tmp_path / "ray") in finding.found
    assert has_remedy(finding)


def test_shared_memory_must_hold_the_features() -> None:
    assert shared_memory_finding(10**9, needed=10**9).level is Level.OK
    small = shared_memory_finding(64 * 1024**2, needed=10**9)
    assert small.level is Level.WARNING
    assert "67.1 MB free, 1 GB needed" in small.found
    assert "--shm-size=3g" in small.remedy


def test_memory_must_hold_trials_and_features() -> None:
    assert memory_finding(4 * 10**9, NEEDS).level is Level.OK
    short = memory_finding(3 * 10**9, NEEDS)
    assert short.level is Level.WARNING
    assert "3 GB free, about 3.5 GB needed by 2 trials at a time" in short.found
    assert "does not report" in memory_finding(None, NEEDS).found


def system(tmp_path: Path, cgroup: str, files: dict[str, object]) -> int | None:
    """Free bytes of a made-up system with 8 GiB available."""
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    contents: dict[Path, object] = {
        proc / "meminfo": "MemTotal: 16777216 kB\nMemAvailable:    8388608 kB\n",
        proc / "self" / "cgroup": cgroup,
        **{groups / name: content for name, content in files.items()},
    }
    for path, content in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return free_bytes(proc, groups)


def test_without_a_limit_the_machine_s_memory_counts(tmp_path: Path) -> None:
    files = {"memory.max": "max", "memory.current": 1, "memory.stat": "inactive_file 0"}
    assert system(tmp_path, "0::/", files) == 8 * 1024**3


@pytest.mark.parametrize(
    ("cgroup", "folder", "limit", "usage"),
    [
        ("0::/jobs/one", "jobs", "memory.max", "memory.current"),
        ("0::/", ".", "memory.max", "memory.current"),
        ("3:cpu:/\n2:memory:/a", "memory/a", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ],
    ids=["of a group above", "of a container", "version 1"],
)
def test_a_container_s_limit_counts(tmp_path: Path, cgroup: str, folder: str, limit: str, usage: str) -> None:
    contents = {limit: 2 * 10**9, usage: 1_500_000_000, "memory.stat": "active_file 7\ninactive_file 300000000"}
    files = {f"{folder}/{name}": content for name, content in contents.items()}
    assert system(tmp_path, cgroup, files) == 800_000_000


def test_a_system_that_does_not_report_its_memory(tmp_path: Path) -> None:
    assert free_bytes(tmp_path, tmp_path) is None


def test_this_system_reports_its_memory() -> None:
    free = free_bytes()
    assert free is not None
    assert 10**6 < free < 10**14


def test_needs_follow_plan_and_clips() -> None:
    quick, full = (estimate_requirements(read_plan(name, folder=PLANS)) for name in ("quick", "full"))
    assert full.trials_on_disk > 10 * quick.trials_on_disk
    assert full.memory > quick.memory
    assert (
        quick.features == estimate_requirements(Plan(cells=("lenet5-1d",)), n_clips=CremaD.n_published_clips).features
    )
    assert estimate_requirements(Plan(cells=("lenet5-1d",)), n_clips=10).features < quick.features / 100
    few = estimate_requirements(Plan(cells=("lenet5-1d",), cpus_per_trial=1024))
    assert few.n_slots == 1


def test_needs_count_the_weights_of_the_real_network() -> None:
    (experiment,) = Plan(cells=("lenet5-2d",)).experiments.values()
    n_bytes = 4 * sum(p.numel() for p in build_network(experiment).parameters())
    needs = estimate_requirements(Plan(cells=("lenet5-2d",), trials_per_cell=10, cpus_per_trial=1024))
    assert needs.trials_on_disk == (10 + 4) * n_bytes


def test_an_ablation_keeps_no_weights_and_stores_features_for_each_space_of_its_variants() -> None:
    values: dict[str, Any] = {
        "cells": ("lenet5-2d",),
        "split": "speaker-5fold-present",
        "final_seeds": 1,
        "cpus_per_trial": 1024,
    }
    each_variants: list[dict[str, Any]] = [
        {"mixup": {"augment.mixup_alpha": 0.2}},
        {"few-mels": {"features.n_mels": 32}},
    ]
    one_space, two_spaces = (
        estimate_requirements(Plan(**values, variants=variants), n_clips=10) for variants in each_variants
    )
    assert two_spaces.features == 2 * one_space.features
    searched = estimate_requirements(Plan(cells=("lenet5-2d",), trials_per_cell=10, cpus_per_trial=1024))
    assert one_space.trials_on_disk == searched.trials_on_disk * 4 // (10 + 4)


def test_a_driver_is_parsed_from_its_text() -> None:
    driver = current_driver()
    assert driver.is_here
    assert driver.pid == os.getpid()
    assert parse_driver(str(driver)) == driver
    assert parse_driver(str(DriverProcess("a", "b.c", 7))) == DriverProcess("a", "b.c", 7)
    for text in ("", "somebody", "a@b", "a b@c pid 7", "a@b pid x"):
        assert parse_driver(text) is None


def test_a_driver_lives_only_as_a_sweep_on_this_machine() -> None:
    words = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()", "run_sweep.py"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        here = DriverProcess("me", socket.gethostname(), process.pid)
        assert here.is_alive
        assert not DriverProcess("me", f"not-{here.host}", process.pid).is_alive
        process.communicate()
    assert not here.is_alive
    assert not current_driver().is_alive, "its number may be another process's by now"


def a_ray(tmp_path: Path, *, parent: int, title: str) -> list[RayProcess]:
    """The processes of a made-up system on which process 30 is a raylet."""
    for pid, words in ((30, ["/x/raylet/raylet", "--session-name=session_7", "--other=1"]), (parent, title.split())):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cmdline").write_bytes(b"\0".join(word.encode() for word in words) + b"\0")
        (tmp_path / str(pid) / "status").write_text(f"Name:\tx\nPPid:\t{parent}\n")
    return find_ray_processes(tmp_path)


def test_a_ray_with_a_living_command_is_fine(tmp_path: Path) -> None:
    (finding,) = leftover_process_findings(a_ray(tmp_path, parent=20, title="python tune/run_sweep.py"))
    assert finding.level is Level.OK
    assert "session_7 belongs to `python tune/run_sweep.py`" in finding.found


def test_a_ray_whose_command_has_ended_is_a_warning_with_its_processes(tmp_path: Path) -> None:
    (finding,) = leftover_process_findings(a_ray(tmp_path, parent=1, title="/sbin/init"))
    assert finding.level is Level.WARNING
    assert "pids 30" in finding.found
    assert "kill 30" in finding.remedy
    assert "--ray-address auto" in finding.remedy


def test_a_trial_larger_than_this_machine_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    first = next(iter(ray_findings(None, Plan(cells=("lenet5-1d",), cpus_per_trial=1024))))
    assert first.level is Level.PROBLEM
    assert "a trial needs 1024" in first.found
    assert next(iter(ray_findings(None, Plan(cells=("lenet5-1d",), cpus_per_trial=0.5)))).level is Level.OK


def test_an_address_that_moves_the_sweep_away_is_a_problem() -> None:
    (finding,) = ray_findings("ray://head:10001", Plan(cells=("lenet5-1d",)))
    assert finding.level is Level.PROBLEM
    assert "--ray-address auto" in f"{finding.found} {finding.remedy}"
