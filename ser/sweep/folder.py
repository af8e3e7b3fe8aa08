"""Folder of a sweep: its journal, and the checkpoints and bundles of its trials."""

from dataclasses import dataclass
from pathlib import Path

from ser.sweep.journal import JOURNAL, TrialKey
from ser.training.checkpoint import FILE_NAME


@dataclass(frozen=True)
class SweepFolder:
    """Where a sweep keeps what must not be lost."""

    path: Path

    @property
    def journal(self) -> Path:
        """Its truth."""
        return self.path / JOURNAL

    @property
    def storage(self) -> Path:
        """Checkpoints and bundles of its trials."""
        return self.path / "trials"


def trial_folder_name(key: TrialKey) -> str:
    """Name of a trial's folder."""
    return f"{key.cell}-{key.number:03d}"


def find_checkpoints(storage: Path, key: TrialKey) -> list[Path]:
    """The training states that any driver of this sweep left of a trial: absolute paths, newest first."""
    found = storage.resolve().glob(f"run-*/{trial_folder_name(key)}/checkpoint_*/{FILE_NAME}")
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
