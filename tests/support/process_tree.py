"""Processes of this machine as /proc has them; nothing where there is no /proc."""

from collections.abc import Iterable, Iterator
from pathlib import Path

_PROC = Path("/proc")


def process_ids() -> Iterator[int]:
    """Every process of the machine."""
    return (int(path.name) for path in _PROC.glob("[0-9]*"))


def stat_of(pid: int) -> list[str]:
    """The fields of its status that follow its name; none of a process that is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def title_of(pid: int) -> str:
    """Its command line, words separated by NUL; empty for a process that is gone."""
    try:
        return (_PROC / str(pid) / "cmdline").read_text(errors="replace")
    except OSError:
        return ""


def environment_of(pid: int) -> list[bytes]:
    """The variables that it was started with, as NAME=value; none of a process that is gone or hides them."""
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def session_of(pid: int) -> int:
    """Id of its session; 0 for a process that is gone."""
    stat = stat_of(pid)
    return int(stat[3]) if stat else 0


def start_of(pid: int) -> int:
    """When it was started, in clock ticks since the machine was; 0 for a process that is gone."""
    stat = stat_of(pid)
    return int(stat[19]) if stat else 0


def lives(pid: int) -> bool:
    """False for one that has ended and that its parent has not asked for yet, too."""
    stat = stat_of(pid)
    return bool(stat) and stat[0] != "Z"


def children_of(pid: int) -> set[int]:
    """The processes that it started and that are still there."""
    return {child for child in process_ids() if (stat := stat_of(child)) and int(stat[1]) == pid}


def with_descendants(pids: Iterable[int]) -> set[int]:
    """The processes `pids`, and all below them."""
    parents = {pid: int(stat[1]) for pid in process_ids() if (stat := stat_of(pid))}
    found = set(pids)
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found
