"""Entry of the feature store for one clip, and its form on disk.

One line with the facts of the sound, then the features as safetensors. The line begins with a checksum of the rest of
it and names length and checksum of the features. So the bytes are judged before anything in them is parsed, and the
facts can be had without reading the features.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors.numpy import load, save

from ser.audio import AudioFacts
from ser.features.base import Rows

_LONGEST_LINE_BYTES = 4096


class DamagedEntryError(Exception):
    """A file in the store that is not what was written there: cut off, changed, or another program's."""


@dataclass(frozen=True)
class Entry:
    """Stored content of one clip: facts of its sound, and its features as `Pipeline.pack` leaves them."""

    facts: AudioFacts
    features: dict[str, Rows]


def encode_entry(entry: Entry) -> bytes:
    """The bytes of the file that `read_entry` reads."""
    features = save(entry.features)
    about = {"facts": asdict(entry.facts), "n_bytes": len(features), "checksum": _checksum(features)}
    line = json.dumps(about).encode()
    return b"".join((_checksum(line).encode(), b" ", line, b"\n", features))


def read_entry(path: Path) -> Entry:
    """The entry in a file.

    Raises:
        OSError: the file is not there, or cannot be read.
        DamagedEntryError: any of its bytes is not as it was written.
    """
    about, features = _judge(path.read_bytes())
    if _checksum(features) != about["checksum"]:
        raise DamagedEntryError(path)
    return Entry(AudioFacts(**about["facts"]), load(features))


def read_facts(path: Path) -> AudioFacts:
    """The facts in a file of the right length; the features are not read.

    Raises:
        OSError: the file is not there, or cannot be read.
        DamagedEntryError: its first line is not as it was written, or its length is not what that says.
    """
    with path.open("rb", buffering=0) as file:
        start = file.read(_LONGEST_LINE_BYTES)
        n_bytes = os.fstat(file.fileno()).st_size
    about, features = _judge(start)
    if n_bytes != len(start) - len(features) + about["n_bytes"]:
        raise DamagedEntryError(path)
    return AudioFacts(**about["facts"])


def _judge(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Content of the first line, checked, and the bytes after it."""
    line, _, features = content.partition(b"\n")
    checksum, _, about = line.partition(b" ")
    if checksum != _checksum(about).encode():
        raise DamagedEntryError
    return json.loads(about), features


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
