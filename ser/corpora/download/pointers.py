"""Git LFS pointers of CREMA-D's clips: size and checksum of each file."""

import fcntl
import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TextIO

from ser.audio import LARGEST_BYTES
from ser.corpora.base import CorpusError
from ser.corpora.cremad import PUBLISHED_AS
from ser.corpora.download.http_files import Downloader, DownloadError, NotFoundError

_POINTER = re.compile(r"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d+)\n")
_FILE = ".lfs-pointers"
_LINE = re.compile(r"^(\S+) ([0-9a-f]{64}) (\d+)\n", re.MULTILINE)


class Pointer(NamedTuple):
    """Pointer of a clip: the name of its published file, SHA-256 and size in bytes."""

    name: str
    digest: str
    n_bytes: int

    def matches(self, path: Path) -> bool:
        """True if `path` is a file of this size and checksum."""
        if not path.is_file() or path.stat().st_size != self.n_bytes:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.digest


class Pointers:
    """Pointers by name, each fetched once and then stored in a file, one per line."""

    def __init__(self, file: TextIO, downloader: Downloader, base: str) -> None:
        self._file, self._downloader, self._base = file, downloader, base
        self._lock = threading.Lock()
        file.seek(0)
        text = file.read()
        stored = (Pointer(name, digest, int(size)) for name, digest, size in _LINE.findall(text))
        self._known = {pointer.name: pointer for pointer in stored if pointer.n_bytes <= LARGEST_BYTES}
        if text and not text.endswith("\n"):  # An earlier process was killed while it wrote.
            file.write("\n")

    def find(self, name: str) -> Pointer:
        """Find or fetch the pointer of a clip, under its own name or the other one in PUBLISHED_AS.

        Raises:
            DownloadError: no pointer, or the size of its file exceeds that of a clip.
        """
        spellings = (name, *(other for pair in PUBLISHED_AS.items() if name in pair for other in pair if other != name))
        for spelling in spellings:
            if spelling in self._known:
                return self._known[spelling]
        for spelling in spellings[:-1]:
            with suppress(NotFoundError):
                return self._fetch(spelling)
        return self._fetch(spellings[-1])

    def _fetch(self, name: str) -> Pointer:
        url = f"{self._base}/AudioWAV/{name}.wav"
        match = _POINTER.fullmatch(self._downloader.read(url).decode("ascii", "replace"))
        if match is None:
            raise DownloadError(f"{url} is not an LFS pointer")
        pointer = Pointer(name, match[1], int(match[2]))
        if pointer.n_bytes > LARGEST_BYTES:
            size, limit = pointer.n_bytes / 1e6, LARGEST_BYTES / 1e6
            raise DownloadError(f"{url} points to {size:,.0f} MB, a clip has at most {limit:g} MB")
        with self._lock:
            self._known[name] = pointer
            self._file.write(f"{name} {pointer.digest} {pointer.n_bytes}\n")
            self._file.flush()
        return pointer


@contextmanager
def lock_pointers(place: Path, downloader: Downloader, base: str) -> Iterator[Pointers]:
    """Open the pointers of a folder for one process at a time.

    Raises:
        CorpusError: another process has them open.
    """
    with (place / _FILE).open("a+", encoding="ascii", errors="replace") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CorpusError(f"another process downloads into {place}", "wait for it, or stop it") from None
        yield Pointers(file, downloader, base)
