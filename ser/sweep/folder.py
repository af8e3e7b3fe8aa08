"""Folder of a sweep: its journal, and the checkpoints and bundles of its trials."""

from dataclasses import dataclass
from pathlib import Path

from ser.sweep.journal import JOURNAL, TrialKey
from ser.training.checkpoint import FILE_NAME


@dataclass(frozen=True)
class SweepFolder:
    """Folder of a sweep with its journal, checkpoints and bundles."""

    path: Path

    @property
    def journal(self) -> Path:
        """Path of the journal, the source of truth of the sweep."""
        return self.path / JOURNAL

    @property
    def storage(self) -> Path:
        """Folder of the checkpoints and bundles of its trials."""
        return self.path / "trials"


def trial_folder_name(key: TrialKey) -> str:
    """Name of a trial's folder."""
    return f"{key.cell}-{key.number:03d}"


def find_checkpoints(storage: Path, key: TrialKey) -> list[Path]:
    """Find the training states of a trial, of every driver process of the sweep.

    Args:
        storage: folder of the checkpoints of the sweep.
        key: key of the trial.

    Returns:
        Absolute paths, newest first.
    """
    found = storage.resolve().glob(f"run-*/{trial_folder_name(key)}/checkpoint_*/{FILE_NAME}")
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
