"""Files over HTTP, with patience: goes on where a connection broke, waits as long as the server asks, checks the bytes.

`requests` carries out single requests. Its retries end where the body of an answer begins and cannot be interrupted,
so those are here.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, InvalidHeader, ProtocolError
from urllib3.util import Retry

_CHUNK_BYTES = 1 << 16
_FOR_NOW = (408, 425, 429, 500, 502, 503, 504)


class DownloadError(Exception):
    """A file that could not be had; the message says why."""


class NotThereError(DownloadError):
    """The server has no such file."""


class Stopped(Exception):  # noqa: N818 - not an error, the answer to Ctrl-C
    """The download was told to stop."""


@dataclass(frozen=True)
class Patience:
    """How often a file is asked for in vain before it is given up, and the seconds between and within."""

    n_tries: int = 6
    backoff_s: float = 0.5
    longest_wait_s: float = 300.0
    connect_s: float = 10.0
    read_s: float = 30.0


@dataclass(frozen=True)
class Wanted:
    """A file, where it lies on the server and here, and what its bytes must be."""

    url: str
    path: Path
    digest: str
    n_bytes: int

    @property
    def partial(self) -> Path:
        """Where it grows until it is whole."""
        return self.path.with_name(f"{self.path.name}.part")

    def is_whole(self, path: Path) -> bool:
        """Whether `path` holds its bytes."""
        if not path.is_file() or path.stat().st_size != self.n_bytes:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.digest


class _AttemptError(Exception):
    """An attempt that failed, and may not the next time."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Courier:
    """Fetches files for several threads at once.

    Where the server asks one of them to wait, all wait.
    """

    def __init__(self, *, n_threads: int, patience: Patience, stop: threading.Event) -> None:
        self._patience = patience
        self._stop = stop
        self._resting_until = 0.0
        self._session = requests.Session()
        # As they lie there: a compressed body could not be gone on with.
        self._session.headers["Accept-Encoding"] = "identity"
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=n_threads, pool_block=True))

    def read(self, url: str) -> bytes:
        """A small file.

        Raises:
            DownloadError: it could not be had.
            Stopped: in the meantime.
        """
        body = b""

        def attempt() -> None:
            nonlocal body
            with self._answer(url, {}) as answer:
                body = answer.content

        self._patiently(url, attempt, lambda: 0)
        return body

    def fetch(self, wanted: Wanted, got: Callable[[int], None]) -> None:
        """Bring a file; it is at its path when it is whole, and not before.

        Args:
            wanted: the file.
            got: told the number of bytes whenever some have come.

        Raises:
            DownloadError: it could not be had, or its bytes were wrong each time.
            OSError: it cannot be written here.
            Stopped: in the meantime; what came is kept.
        """

        def attempt() -> None:
            self._go_on(wanted, got)
            if _size(wanted.partial) < wanted.n_bytes:
                raise _AttemptError("the connection ended too soon")
            if not wanted.is_whole(wanted.partial):
                wanted.partial.unlink()
                raise _AttemptError("its bytes do not have the checksum of its LFS pointer")

        self._patiently(wanted.url, attempt, lambda: _size(wanted.partial))
        wanted.partial.replace(wanted.path)

    def _go_on(self, wanted: Wanted, got: Callable[[int], None]) -> None:
        """Add to the partial file until it has its size or the connection ends."""
        have = _size(wanted.partial)
        if have > wanted.n_bytes:
            wanted.partial.unlink()
            have = 0
        if have == wanted.n_bytes:
            return
        with self._answer(wanted.url, {"Range": f"bytes={have}-"} if have else {}) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                wanted.partial.unlink()
                raise _AttemptError("the server has fewer bytes than came before")
            goes_on = answer.status_code == requests.codes.partial_content
            with wanted.partial.open("ab" if goes_on else "wb") as file:
                # What has come is written before more is waited for, so that a drop loses none of it.
                while file.tell() <= wanted.n_bytes and (chunk := answer.raw.read1(_CHUNK_BYTES)):
                    file.write(chunk)
                    got(len(chunk))
                    self._stop_if_told()

    def _patiently(self, url: str, attempt: Callable[[], None], progress: Callable[[], int]) -> None:
        """Attempts until one succeeds; those that came further than any before do not count as in vain."""
        n_in_vain, furthest = 0, progress()
        while True:
            self._sleep(self._resting_until - time.monotonic())
            try:
                return attempt()
            except _AttemptError as failed:
                n_in_vain = 0 if progress() > furthest else n_in_vain + 1
                furthest = max(furthest, progress())
                if n_in_vain >= self._patience.n_tries:
                    raise DownloadError(f"{url}: {failed}, {n_in_vain} times") from None
                wait_s = failed.wait_s or self._patience.backoff_s * 2 ** (n_in_vain - 1)
                if failed.wait_s:
                    self._resting_until = max(self._resting_until, time.monotonic() + wait_s)
                self._sleep(wait_s)

    @contextmanager
    def _answer(self, url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
        timeouts = (self._patience.connect_s, self._patience.read_s)
        try:
            with self._session.get(url, headers=headers, stream=True, timeout=timeouts) as answer:
                self._check(answer)
                yield answer
        except (requests.RequestException, HTTPError) as error:
            raise _AttemptError(_reason(error)) from None

    def _check(self, answer: requests.Response) -> None:
        if answer.ok or answer.status_code == requests.codes.requested_range_not_satisfiable:
            return
        said = f"the server answers {answer.status_code} {answer.reason}"
        asked_s = _asked_to_wait(answer)
        if asked_s > self._patience.longest_wait_s:
            raise DownloadError(f"{answer.url}: {said} and asks to wait for {asked_s:.0f} s")
        if answer.status_code == requests.codes.not_found:
            raise NotThereError(f"{answer.url}: {said}")
        if answer.status_code not in _FOR_NOW and not asked_s:
            raise DownloadError(f"{answer.url}: {said}")
        raise _AttemptError(said, asked_s)

    def _sleep(self, duration_s: float) -> None:
        self._stop.wait(max(0.0, duration_s))
        self._stop_if_told()

    def _stop_if_told(self) -> None:
        if self._stop.is_set():
            raise Stopped


def _asked_to_wait(answer: requests.Response) -> float:
    """Seconds of Retry-After, which may be a date; 0 without one."""
    try:
        return Retry().parse_retry_after(answer.headers.get("Retry-After", "0"))
    except InvalidHeader:
        return 0.0


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: Exception) -> str:
    """The innermost reason of an error of `requests`, which wraps those of three layers."""
    while error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    reason = getattr(error, "reason", error)
    said = str(reason.args[0]) if isinstance(reason, ProtocolError) else str(reason)
    return said.rpartition(": ")[2] or type(error).__name__
