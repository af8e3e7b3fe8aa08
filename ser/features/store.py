"""Features on disk, found by what they were made of: the sound's digest and the pipeline's.

One file per clip: safetensors with the facts of the sound and a checksum as metadata. A file appears whole or
not at all, so several writers may write the same clip; a damaged one counts as missing and is computed again.
"""

import errno
import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ser.audio import AudioFacts
from ser.features.base import Rows

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNFINISHED = ".unfinished"


class StoreError(RuntimeError):
    """The store cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Entry:
    """What is kept of one clip: facts of its sound, and its features by space ("1d", "2d"), (T, rows)."""

    facts: AudioFacts
    features: dict[str, Rows]


@dataclass(frozen=True)
class FeatureStore:
    """A folder of features."""

    root: Path

    @staticmethod
    def key(audio_digest: str, pipeline_digest: str) -> str:
        """The name of the features that this pipeline makes of this sound."""
        return hashlib.sha256(f"{audio_digest} {pipeline_digest}".encode()).hexdigest()

    def path(self, key: str) -> Path:
        """Where the entry of `key` lies."""
        return self.root / key[:2] / f"{key}.safetensors"

    def paths(self) -> list[Path]:
        """Of all entries, whole or not."""
        return sorted(self.root.glob("??/*.safetensors"))

    def unfinished(self) -> list[Path]:
        """Files that a writer is about to finish, or that one left when it was killed."""
        return sorted(self.root.glob(f"??/.*{_UNFINISHED}"))

    def read(self, key: str) -> Entry | None:
        """The entry of `key`; None where there is none that can be read whole."""
        try:
            return _load(self.path(key))
        except (OSError, SafetensorError, ValueError, KeyError, TypeError):
            return None

    def write(self, key: str, entry: Entry) -> None:
        """Keep `entry`, in place of any other under `key`.

        Raises:
            StoreError: the disk is full, or the folder cannot be written to.
        """
        path = self.path(key)
        facts = json.dumps(asdict(entry.facts))
        content = save(entry.features, {"facts": facts, "checksum": _checksum(facts, entry.features)})
        unfinished = path.with_name(f".{uuid.uuid4().hex}{_UNFINISHED}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                unfinished.write_bytes(content)
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)
        except OSError as error:
            raise _explained(error, self.root) from error


def _load(path: Path) -> Entry:
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        features = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if metadata["checksum"] != _checksum(metadata["facts"], features):
        raise ValueError("damaged")
    return Entry(AudioFacts(**json.loads(metadata["facts"])), features)


def _checksum(facts: str, features: Mapping[str, Rows]) -> str:
    digest = hashlib.sha256(facts.encode())
    for name, rows in sorted(features.items()):
        digest.update(f"{name} {rows.dtype} {rows.shape}".encode())
        digest.update(rows.data)
    return digest.hexdigest()


def _explained(error: OSError, root: Path) -> StoreError:
    if error.errno in _NO_ROOM:
        return StoreError(f"no room left for features in {root}: free some, or choose another folder")
    reason = error.strerror or str(error)
    return StoreError(f"the feature store {root} cannot be used ({reason}): check the folder, or choose another")
