"""Room on the disks that a sweep writes to, and whether they take a write."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ser.doctor.finding import Finding, fine, problem, size, warning
from ser.doctor.requirements import Requirements

_SPARE_BYTES = 1_000_000_000
_SLOW_WRITE_S = 0.2
# Ray keeps no more objects on a disk that is fuller.
_FULL_FOR_RAY = 0.95
_SHARED_MEMORY = Path("/dev/shm")


def disk_findings(home: Path, needs: Requirements) -> Iterator[Finding]:
    """Of the home folder, of Ray's folder, and of shared memory."""
    yield home_finding(home, needed=needs.features + needs.trials_on_disk)
    yield ray_folder_finding(ray_folder())
    if _SHARED_MEMORY.is_dir():
        yield shared_memory_finding(shutil.disk_usage(_SHARED_MEMORY).free, needed=needs.features)


def home_finding(home: Path, *, needed: int) -> Finding:
    """Whether there is room, writes reach the disk, and a file can be locked."""
    folder = nearest_existing_folder(home)
    try:
        write_s = write_time_s(folder)
    except OSError as error:
        return problem(
            "disk",
            f"{home} does not take a write ({error.strerror or error})",
            remedy="make room, mend the folder's permissions, or give another --home",
        )
    free = shutil.disk_usage(folder).free
    found = f"{home}: {size(free)} free, a write reaches it in {1000 * write_s:.0f} ms"
    if free < _SPARE_BYTES:
        return problem("disk", found, remedy=f"free at least {size(_SPARE_BYTES)}, or give another --home")
    if free < needed + _SPARE_BYTES:
        return warning(
            "disk",
            f"{found}; this plan may leave {size(needed)}",
            remedy=f"free {size(needed + _SPARE_BYTES - free)}, or give another --home",
        )
    if write_s > _SLOW_WRITE_S:
        return warning("disk", found, remedy="every report waits for such a write: give a --home on a local disk")
    return fine("disk", f"{found}; this plan may leave {size(needed)}")


def ray_folder_finding(folder: Path) -> Finding:
    """Whether Ray has room for its logs and for what does not fit into shared memory."""
    place = nearest_existing_folder(folder)
    usage = shutil.disk_usage(place)
    found = f"{folder} (Ray's logs and spilled objects): {size(usage.free)} free"
    if not os.access(place, os.W_OK):
        return problem(
            "disk", f"{folder} cannot be written", remedy="set RAY_TMPDIR to a folder of yours with a short path"
        )
    if usage.free < (1 - _FULL_FOR_RAY) * usage.total:
        return problem(
            "disk",
            f"{found}, less than {1 - _FULL_FOR_RAY:.0%} of its disk: Ray would keep no objects there",
            remedy=f"free some room: old sessions are {folder}/session_*; or set RAY_TMPDIR to another folder",
        )
    return fine("disk", found)


def shared_memory_finding(free: int, *, needed: int) -> Finding:
    """Whether the features fit where trials share them."""
    found = f"{_SHARED_MEMORY} (features that trials share): {size(free)} free, {size(needed)} needed"
    if free < needed:
        return warning(
            "disk",
            found,
            remedy=f"make it larger (docker run --shm-size={needed // 500_000_000 + 1}g): "
            "Ray uses the disk instead, which is slow",
        )
    return fine("disk", found)


def write_time_s(folder: Path) -> float:
    """Seconds until a locked file's new content is on the disk; the file is gone afterwards.

    Raises:
        OSError: the folder does not take it.
    """
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        started = time.monotonic()
        file.write(b"doctor\n")
        file.flush()
        os.fsync(file.fileno())
        return time.monotonic() - started


def nearest_existing_folder(folder: Path) -> Path:
    """The folder itself, or the one above it that is there already."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.exists())


def ray_folder() -> Path:
    """Where a local Ray keeps its sessions."""
    return Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp") / "ray"
