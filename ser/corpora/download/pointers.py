"""The Git LFS pointers of CREMA-D's clips: what the bytes of each file must be."""

import fcntl
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from ser.corpora.base import CorpusError
from ser.corpora.cremad import PUBLISHED_AS
from ser.corpora.download.courier import Courier, DownloadError, NotThereError

_POINTER = re.compile(r"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d+)\n")
_FILE = ".lfs-pointers"
_LINE = re.compile(r"^(\S+) ([0-9a-f]{64}) (\d+)\n", re.MULTILINE)


class Pointers:
    """The LFS pointers: asked for once, then kept in a file, a line each."""

    def __init__(self, file: TextIO, courier: Courier, base: str) -> None:
        self._file, self._courier, self._base = file, courier, base
        self._lock = threading.Lock()
        file.seek(0)
        text = file.read()
        self._known = {name: (digest, int(size)) for name, digest, size in _LINE.findall(text)}
        if text and not text.endswith("\n"):  # killed while it wrote
            file.write("\n")

    def of(self, name: str) -> tuple[str, str, int]:
        """The name under which a clip is published, digest and size of its file.

        Raises:
            DownloadError: there is none.
        """
        spellings = (name, *(other for pair in PUBLISHED_AS.items() if name in pair for other in pair if other != name))
        for spelling in spellings:
            if spelling in self._known:
                return (spelling, *self._known[spelling])
        for spelling in spellings[:-1]:
            with suppress(NotThereError):
                return self._asked(spelling)
        return self._asked(spellings[-1])

    def _asked(self, name: str) -> tuple[str, str, int]:
        url = f"{self._base}/AudioWAV/{name}.wav"
        match = _POINTER.fullmatch(self._courier.read(url).decode("ascii", "replace"))
        if match is None:
            raise DownloadError(f"{url} is no LFS pointer")
        digest, n_bytes = match[1], int(match[2])
        with self._lock:
            self._known[name] = (digest, n_bytes)
            self._file.write(f"{name} {digest} {n_bytes}\n")
            self._file.flush()
        return name, digest, n_bytes


@contextmanager
def held_pointers(place: Path, courier: Courier, base: str) -> Iterator[Pointers]:
    """The pointers of a folder, held by one process at a time.

    Raises:
        CorpusError: another process holds them.
    """
    with (place / _FILE).open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CorpusError(f"another process downloads into {place}: wait for it, or stop it") from None
        yield Pointers(file, courier, base)
