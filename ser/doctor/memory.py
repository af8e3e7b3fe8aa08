"""Check of the free memory of the machine and of its container."""

from collections.abc import Iterator
from pathlib import Path

from ser.doctor.finding import Finding, fine, format_size, warning
from ser.doctor.requirements import Requirements

# Controller, file of the limit and file of the usage: of control groups version 2, then 1.
_LIMITS = (("", "memory.max", "memory.current"), ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"))


def memory_finding(free: int | None, needs: Requirements) -> Finding:
    """Check that the concurrent trials, their driver process and the features fit into memory.

    Args:
        free: free bytes; None where the system does not report them.
        needs: requirements of the sweep.
    """
    needed = needs.memory + needs.features
    description = f"about {format_size(needed)} needed by {needs.n_slots} trials at a time and the features they share"
    if free is None:
        return fine("memory", f"this system does not report its free memory; {description}")
    if free < needed:
        return warning(
            "memory",
            f"{format_size(free)} free, {description}",
            remedy="end other programs, raise cpus_per_trial in the plan so that fewer run at a time, "
            "or narrow the networks",
        )
    return fine("memory", f"{format_size(free)} free, {description}")


def free_bytes(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Free bytes for this process; None where the system does not report them."""
    try:
        lines = (line.split() for line in (proc / "meminfo").read_text().splitlines())
        available = next(1024 * int(words[1]) for words in lines if words[0] == "MemAvailable:")
    except (OSError, StopIteration):
        return None
    return min([available, *_read_free_in_groups(proc, groups)])


def _read_free_in_groups(proc: Path, groups: Path) -> Iterator[int]:
    for folder, limit_name, usage_name in _find_group_folders(proc, groups):
        try:
            limit, used = int((folder / limit_name).read_text()), int((folder / usage_name).read_text())
            yield max(0, limit - used + _read_file_cache(folder))
        except (OSError, ValueError):  # no such group, or 'max'
            continue


def _find_group_folders(proc: Path, groups: Path) -> Iterator[tuple[Path, str, str]]:
    """Find the control group of this process and its parents, with the names of their files."""
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


def _read_file_cache(folder: Path) -> int:
    """Read the bytes of file cache, which count as used but can be reclaimed."""
    lines = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return next((int(words[1]) for words in lines if words[0] in ("inactive_file", "total_inactive_file")), 0)
