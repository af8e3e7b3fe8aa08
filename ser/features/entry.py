"""What the store keeps of one clip, and its form on disk.

Safetensors. The metadata hold the facts of the sound under a checksum of their own, so that they can be had without
reading the features, and a checksum of everything. Columns of one space that are a space of their own (the mel bands
among the rows of the 1-D space are the 2-D space) are kept once.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from ser.audio import AudioFacts
from ser.features.base import Rows

_HEADER_BYTES = 4096

Place = tuple[str, int, int]
"""Where the columns of a space lie: in which other one, from which column on, how many."""


@dataclass(frozen=True)
class Entry:
    """What is kept of one clip: facts of its sound, and its features by space ("1d", "2d"), (T, rows)."""

    facts: AudioFacts
    features: dict[str, Rows]


def encoded(entry: Entry) -> bytes:
    """The bytes of the file that `decoded` reads."""
    kept, places = _kept_once(entry.features)
    about = json.dumps({"facts": asdict(entry.facts), "places": places})
    return save(kept, {"about": about, "about_checksum": _checksum(about, {}), "checksum": _checksum(about, kept)})


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
    for name, (other, first, n_rows) in about["places"].items():
        features[name] = features[other][:, first : first + n_rows].copy()
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


def _kept_once(features: Mapping[str, Rows]) -> tuple[dict[str, Rows], dict[str, Place]]:
    """The spaces that must be kept, and where in them the others lie."""
    kept: dict[str, Rows] = {}
    places: dict[str, Place] = {}
    for name, rows in sorted(features.items(), key=lambda item: -item[1].shape[1]):
        place = next((place for other in kept for place in _found(rows, other, kept[other])), None)
        if place is None:
            kept[name] = rows
        else:
            places[name] = place
    return kept, places


def _found(rows: Rows, other: str, wider: Rows) -> list[Place]:
    """Where `rows` are neighbouring columns of `wider`, bit for bit."""
    n_rows = rows.shape[1]
    if len(rows) != len(wider):
        return []
    firsts = np.flatnonzero(wider[0, : wider.shape[1] - n_rows + 1] == rows[0, 0])
    same = (first for first in firsts if rows.tobytes() == wider[:, first : first + n_rows].tobytes())
    return [(other, int(first), n_rows) for first in same]
