"""Files over HTTP, each read as a whole: urllib3's retries, a limit on the size, and a checksum."""

import hashlib
import threading
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, ProtocolError, ResponseError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry

from ser.audio import LARGEST_BYTES

_CHUNK_BYTES = 1 << 16
_TRANSIENT_STATUSES = (408, 425, 429, 500, 502, 503, 504)


class DownloadError(Exception):
    """File that could not be fetched; the message gives address and reason."""


class NotFoundError(DownloadError):
    """File that the server does not have."""


@dataclass(frozen=True)
class RetryPolicy:
    """Number of tries for each file, seconds between them, and timeouts of a connection."""

    n_tries: int = 6
    backoff_s: float = 0.5
    longest_wait_s: float = 300.0
    connect_s: float = 10.0
    read_s: float = 30.0


class Downloader:
    """Reader of files for several threads; once `stop` is set, each thread ends with `CancelledError`.

    Args:
        n_threads: largest number of threads that read at the same time.
        policy: of retries.
        stop: event that ends all downloads.
    """

    def __init__(self, *, n_threads: int, policy: RetryPolicy, stop: threading.Event) -> None:
        self._policy, self._stop = policy, stop
        self._session = requests.Session()
        retries = _Retries(
            total=policy.n_tries - 1,
            backoff_factor=policy.backoff_s,
            backoff_max=policy.longest_wait_s,
            status_forcelist=_TRANSIENT_STATUSES,
            raise_on_status=False,
            stop=stop,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=n_threads, pool_block=True, max_retries=retries))

    def read(self, url: str, *, at_most: int = LARGEST_BYTES, digest: str | None = None) -> bytes:
        """Read a whole file.

        Args:
            url: address of the file.
            at_most: bytes; a larger body is cut off and refused.
            digest: SHA-256 in hexadecimal that the bytes must have; None for any.

        Raises:
            DownloadError: no answer, a refusal, or a wrong body at each try.
            CancelledError: `stop` was set in the meantime.
        """
        # urllib3 retries only until the headers of a response have arrived; the body is read here.
        for n_failed in range(self._policy.n_tries):
            _wait(self._stop, n_failed * self._policy.backoff_s)
            with self._get(url) as response:
                try:
                    body = self._read_body(response, at_most)
                except requests.RequestException as error:
                    reason = _find_reason(error)
                    continue
            if len(body) > at_most:
                reason = f"it has more than {at_most:,} bytes"
            elif digest not in (None, hashlib.sha256(body).hexdigest()):
                reason = "its bytes do not have the checksum of its LFS pointer"
            else:
                return body
        raise DownloadError(f"{url}: {reason}, {self._policy.n_tries} times")

    def _read_body(self, response: requests.Response, at_most: int) -> bytes:
        """Read the body, or its beginning if it is larger than `at_most`."""
        body = bytearray()
        for chunk in response.iter_content(_CHUNK_BYTES):
            _wait(self._stop, 0)
            body += chunk
            if len(body) > at_most:
                break
        return bytes(body)

    def _get(self, url: str) -> requests.Response:
        try:
            response = self._session.get(url, stream=True, timeout=(self._policy.connect_s, self._policy.read_s))
        except requests.ConnectionError as error:
            raise DownloadError(f"{url}: {_find_reason(error)}, {self._policy.n_tries} times") from None
        except (requests.RequestException, HTTPError) as error:
            raise DownloadError(f"{url}: {_find_reason(error)}") from None
        if response.ok:
            return response
        response.close()
        refusal = NotFoundError if response.status_code == requests.codes.not_found else DownloadError
        raise refusal(f"{url}: the server answers {response.status_code} {response.reason}")


class _Retries(Retry):
    """Retries of urllib3 with waits that end when the download is stopped and never exceed `backoff_max`."""

    def __init__(self, *, stop: threading.Event, **settings: Any) -> None:
        super().__init__(**settings)
        self._stop = stop

    def new(self, **changes: Any) -> Self:
        return super().new(stop=self._stop, **changes)

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        requested_s = self.get_retry_after(response) if response else None
        if response and requested_s and requested_s > self.backoff_max:
            answer = f"the server answers {response.status} {response.reason}"
            raise ResponseError(f"{answer} and requests a wait of {requested_s:.0f} s")
        _wait(self._stop, requested_s or self.get_backoff_time())


def _wait(stop: threading.Event, duration_s: float) -> None:
    if stop.wait(duration_s):
        raise CancelledError


def _find_reason(error: Exception) -> str:
    """Innermost reason of an error of `requests`, which wraps the errors of three layers."""
    while error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    reason = getattr(error, "reason", error)
    text = str(reason.args[0]) if isinstance(reason, ProtocolError) else str(reason)
    # urllib3 gives the reason of a failed connection only as text, after the name of the connection.
    return text.rpartition(": ")[2] or type(error).__name__
