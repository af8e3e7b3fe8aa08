"""What the store keeps of one clip, and its form on disk.

Safetensors. The metadata hold the facts of the sound under a checksum of their own, so that they can be had without
reading the features, and a checksum of everything.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.numpy import save

from ser.audio import AudioFacts
from ser.features.base import Rows

_HEADER_BYTES = 4096


@dataclass(frozen=True)
class Entry:
    """What is kept of one clip: facts of its sound, and its features as `Pipeline.pack` leaves them."""

    facts: AudioFacts
    features: dict[str, Rows]


def encoded(entry: Entry) -> bytes:
    """The bytes of the file that `decoded` reads."""
    about = json.dumps({"facts": asdict(entry.facts)})
    metadata = {"about": about, "about_checksum": _checksum(about, {}), "checksum": _checksum(about, entry.features)}
    return save(entry.features, metadata)


def decoded(path: Path) -> Entry:
    """The entry in a file.

    Raises:
        OSError, SafetensorError, ValueError, KeyError, TypeError, IndexError: not there, or not whole.
    """
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        features: dict[str, Rows] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    about = _about(metadata)
    if metadata["checksum"] != _checksum(metadata["about"], features):
        raise ValueError("its features are damaged")
    return Entry(AudioFacts(**about["facts"]), features)


def facts_of(path: Path) -> AudioFacts:
    """The facts in a file that has the length which its header tells of; the features are not read.

    Raises:
        OSError, ValueError, KeyError, TypeError, IndexError: not there, or not whole.
    """
    with path.open("rb", buffering=0) as file:
        start = file.read(_HEADER_BYTES)
        n_bytes = os.fstat(file.fileno()).st_size
    end = 8 + int.from_bytes(start[:8], "little")
    header = json.loads(start[8:end])
    about = _about(header.pop("__metadata__"))
    if n_bytes != end + max(tensor["data_offsets"][1] for tensor in header.values()):
        raise ValueError("it is cut off")
    return AudioFacts(**about["facts"])


def _about(metadata: Mapping[str, str]) -> dict[str, Any]:
    if metadata["about_checksum"] != _checksum(metadata["about"], {}):
        raise ValueError("its facts are damaged")
    about: dict[str, Any] = json.loads(metadata["about"])
    return about


def _checksum(about: str, features: Mapping[str, Rows]) -> str:
    digest = hashlib.sha256(about.encode())
    for name, rows in sorted(features.items()):
        digest.update(f"{name} {rows.dtype} {rows.shape}".encode())
        digest.update(rows.data)
    return digest.hexdigest()
