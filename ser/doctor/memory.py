"""Free memory, of the machine and of the container that this runs in."""

from collections.abc import Iterator
from pathlib import Path

from ser.doctor.finding import Finding, fine, size, warning
from ser.doctor.requirements import Requirements

# Where the limit stands that holds for a process, and what is used: of control groups version 2, then 1.
_LIMITS = (("", "memory.max", "memory.current"), ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"))


def memory_finding(free: int | None, needs: Requirements) -> Finding:
    """Whether the trials that run at a time, their driver and the features fit.

    Args:
        free: bytes; None where the system does not tell.
        needs: of the sweep.
    """
    needed = needs.memory + needs.features
    what = f"about {size(needed)} needed by {needs.n_slots} trials at a time and the features they share"
    if free is None:
        return fine("memory", f"this system does not tell how much is free; {what}")
    if free < needed:
        return warning(
            "memory",
            f"{size(free)} free, {what}",
            remedy="end other programs, raise cpus_per_trial in the plan so that fewer run at a time, "
            "or narrow the networks",
        )
    return fine("memory", f"{size(free)} free, {what}")


def free_bytes(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that this process may still take; None where the system does not tell."""
    try:
        lines = (line.split() for line in (proc / "meminfo").read_text().splitlines())
        available = next(1024 * int(words[1]) for words in lines if words[0] == "MemAvailable:")
    except (OSError, StopIteration):
        return None
    return min([available, *_left_in_groups(proc, groups)])


def _left_in_groups(proc: Path, groups: Path) -> Iterator[int]:
    for folder, limit_name, usage_name in _group_folders(proc, groups):
        try:
            limit, used = int((folder / limit_name).read_text()), int((folder / usage_name).read_text())
            yield max(0, limit - used + _file_cache(folder))
        except (OSError, ValueError):  # no such group, or 'max'
            continue


def _group_folders(proc: Path, groups: Path) -> Iterator[tuple[Path, str, str]]:
    """The group of this process and those around it."""
    try:
        entries = [line.split(":", 2) for line in (proc / "self" / "cgroup").read_text().splitlines()]
    except OSError:
        return
    for _, controllers, path in entries:
        for controller, limit_name, usage_name in _LIMITS:
            if controller in controllers.split(","):
                root = groups / controller
                inner = root / path.strip("/")
                for folder in (inner, *inner.parents):
                    if folder.is_relative_to(root):
                        yield folder, limit_name, usage_name


def _file_cache(folder: Path) -> int:
    """What counts as used and is given back when asked for."""
    lines = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return next((int(words[1]) for words in lines if words[0] in ("inactive_file", "total_inactive_file")), 0)
