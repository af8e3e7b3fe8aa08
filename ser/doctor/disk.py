"""Checks of the disks that a sweep writes to: free space and write access."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ser.doctor.finding import Finding, fine, format_size, problem, warning
from ser.doctor.requirements import Requirements

_SPARE_BYTES = 1_000_000_000
_SLOW_WRITE_S = 0.2
# Above this fraction Ray stores no more objects on a disk.
_RAY_DISK_LIMIT = 0.95
_SHARED_MEMORY = Path("/dev/shm")


def disk_findings(home: Path, needs: Requirements) -> Iterator[Finding]:
    """Check the home folder, Ray's folder and shared memory."""
    yield home_finding(home, needed=needs.features + needs.trials_on_disk)
    yield ray_folder_finding(ray_folder())
    if _SHARED_MEMORY.is_dir():
        yield shared_memory_finding(shutil.disk_usage(_SHARED_MEMORY).free, needed=needs.features)


def home_finding(home: Path, *, needed: int) -> Finding:
    """Check the home folder: free space, time of a durable write, file locks.

    Args:
        home: folder of features, journals and checkpoints.
        needed: bytes that the plan may write there.
    """
    folder = find_existing_folder(home)
    try:
        write_s = measure_write_s(folder)
    except OSError as error:
        return problem(
            "disk",
            f"{home} cannot be written to ({error.strerror or error})",
            remedy="free some space, correct the folder's permissions, or give another --home",
        )
    free = shutil.disk_usage(folder).free
    found = f"{home}: {format_size(free)} free, a write takes {1000 * write_s:.0f} ms"
    if free < _SPARE_BYTES:
        return problem("disk", found, remedy=f"free at least {format_size(_SPARE_BYTES)}, or give another --home")
    if free < needed + _SPARE_BYTES:
        return warning(
            "disk",
            f"{found}; this plan may write {format_size(needed)}",
            remedy=f"free {format_size(needed + _SPARE_BYTES - free)}, or give another --home",
        )
    if write_s > _SLOW_WRITE_S:
        return warning(
            "disk", found, remedy="every report waits for such a write: give a --home on a faster, local disk"
        )
    return fine("disk", f"{found}; this plan may write {format_size(needed)}")


def ray_folder_finding(folder: Path) -> Finding:
    """Check the folder of Ray's logs and of the objects that do not fit into shared memory."""
    place = find_existing_folder(folder)
    usage = shutil.disk_usage(place)
    found = f"{folder} (Ray's logs and spilled objects): {format_size(usage.free)} free"
    if not os.access(place, os.W_OK):
        return problem(
            "disk", f"{folder} cannot be written to", remedy="set RAY_TMPDIR to a folder of yours with a short path"
        )
    if usage.free < (1 - _RAY_DISK_LIMIT) * usage.total:
        return problem(
            "disk",
            f"{found}, less than {1 - _RAY_DISK_LIMIT:.0%} of its disk: Ray would store no objects there",
            remedy=f"free some space (old sessions are {folder}/session_*), or set RAY_TMPDIR to another folder",
        )
    return fine("disk", found)


def shared_memory_finding(free: int, *, needed: int) -> Finding:
    """Check that the features fit into shared memory, where trials share them.

    Args:
        free: free bytes of shared memory.
        needed: bytes of the features.
    """
    found = f"{_SHARED_MEMORY} (features that trials share): {format_size(free)} free, {format_size(needed)} needed"
    if free < needed:
        return warning(
            "disk",
            found,
            remedy=f"enlarge it (docker run --shm-size={needed // 500_000_000 + 1}g); otherwise Ray uses the slow disk",
        )
    return fine("disk", found)


def measure_write_s(folder: Path) -> float:
    """Measure the seconds until the content of a locked, temporary file is on the disk.

    Raises:
        OSError: the folder cannot be written to.
    """
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        started = time.monotonic()
        file.write(b"doctor\n")
        file.flush()
        os.fsync(file.fileno())
        return time.monotonic() - started


def find_existing_folder(folder: Path) -> Path:
    """Find the nearest existing folder: the folder itself or one above it."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.exists())


def ray_folder() -> Path:
    """The folder of a local Ray's sessions."""
    return Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp") / "ray"
