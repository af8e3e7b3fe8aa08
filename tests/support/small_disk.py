"""A small disk of its own, to be filled."""

import contextlib
import subprocess
from pathlib import Path

from tests.support.process_guard import MOUNT, note

_SIZE = 32 * 2**20


class SmallDisk:
    """Mounted at `folder` while entered; needs root."""

    def __init__(self, folder: Path, *, size: int = _SIZE) -> None:
        self.folder, self._size = folder, size

    def __enter__(self) -> "SmallDisk":
        self.folder.mkdir(parents=True)
        note(MOUNT, self.folder)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self._size}", "tmpfs", self.folder], check=True)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", self.folder], check=True)

    def fill(self) -> None:
        """Leave not a byte free."""
        with contextlib.suppress(OSError), self._filler.open("ab", buffering=0) as file:
            while file.write(bytes(2**16)):
                pass

    def free(self) -> None:
        self._filler.unlink()

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"


def mounting_is_permitted(folder: Path) -> bool:
    """Whether `SmallDisk` works here; `folder` must not exist."""
    try:
        with SmallDisk(folder):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False
