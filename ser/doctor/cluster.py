"""Check of Ray: the cluster at an address, or this machine and leftover processes of earlier sessions."""

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ser.distributed.cluster import connect, describe_cluster, refuse_too_large
from ser.distributed.tune_adapter import trial_resources
from ser.doctor.finding import Finding, fine, problem, problem_from, warning
from ser.errors import UserError
from ser.sweep.plan import Plan

_PROC = Path("/proc")
_DAEMONS = ("raylet", "gcs_server")


@dataclass(frozen=True)
class RayProcess:
    """One of the two daemons that every Ray has.

    Attributes:
        pid: process id.
        name: raylet or gcs_server.
        session: name of the Ray session, which both daemons share.
        parent: command of the process that started it; '' where that process has ended.
    """

    pid: int
    name: str
    session: str
    parent: str


def ray_findings(address: str | None, plan: Plan) -> Iterator[Finding]:
    """Check the cluster at `address` (or RAY_ADDRESS); without one, this machine.

    Args:
        address: address of a running Ray, or None.
        plan: plan whose trials must fit.
    """
    address = address or os.environ.get("RAY_ADDRESS") or None
    if address is None:
        yield _check_this_machine(plan)
        yield from leftover_process_findings(find_ray_processes())
        return
    try:
        with connect(address):
            refuse_too_large(trial_resources(plan))
            yield fine("Ray", f"{address}: {describe_cluster()}")
    except UserError as error:
        yield problem_from("Ray", error)


def leftover_process_findings(processes: list[RayProcess]) -> Iterator[Finding]:
    """Report each Ray session of this user, with a warning where its command has ended."""
    sessions: dict[str, list[RayProcess]] = {}
    for process in processes:
        sessions.setdefault(process.session, []).append(process)
    for session, listed in sessions.items():
        pids = " ".join(str(process.pid) for process in listed)
        parent = next((process.parent for process in listed if process.parent), "")
        if parent:
            yield fine("Ray", f"session {session} belongs to `{parent}`")
        else:
            yield warning(
                "Ray",
                f"session {session} is still running and uses memory, but its command has ended (pids {pids})",
                remedy=f"use it with --ray-address auto, or end it: kill {pids}",
            )


def find_ray_processes(proc: Path = _PROC) -> list[RayProcess]:
    """Find the Ray daemons of this user on this machine; none where the system has no /proc."""
    found = []
    for folder in sorted(proc.glob("[0-9]*")):
        try:
            words = _read_command(folder)
            name = Path(words[0]).name if words else ""
            if name in _DAEMONS and folder.stat().st_uid == os.getuid():
                found.append(RayProcess(int(folder.name), name, _parse_session(words), _find_parent(proc, folder)))
        except OSError:  # the process has ended meanwhile
            continue
    return found


def _check_this_machine(plan: Plan) -> Finding:
    cpus = os.cpu_count() or 1
    found = f"no address given: a sweep starts Ray {version('ray')} on the {cpus} CPUs of this machine"
    if plan.cpus_per_trial > cpus:
        return problem(
            "Ray",
            f"{found}, but a trial needs {plan.cpus_per_trial:g}",
            remedy="lower cpus_per_trial in the plan, or give the --ray-address of a larger machine",
        )
    return fine("Ray", found)


def _read_command(folder: Path) -> list[str]:
    return [os.fsdecode(word) for word in (folder / "cmdline").read_bytes().split(b"\0") if word]


def _parse_session(words: list[str]) -> str:
    return next((word.partition("=")[2] for word in words if word.startswith("--session-name=")), "unknown")


def _find_parent(proc: Path, folder: Path) -> str:
    """Command of the parent process; '' where it has ended and init has adopted the child."""
    lines = (line.split() for line in (folder / "status").read_text().splitlines())
    parent = next(words[1] for words in lines if words[0] == "PPid:")
    words = _read_command(proc / parent)
    is_python = bool(words) and ("python" in Path(words[0]).name or any("ray" in Path(word).name for word in words[:2]))
    return shlex.join(words)[:100] if is_python else ""
