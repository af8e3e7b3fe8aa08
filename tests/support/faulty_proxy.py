"""Stands between a sweep and its tracker, and breaks what passes when told to."""

import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODES = ("pass", "error", "hang", "mute", "late", "slow")
_SLOW_S = 0.5
_OF_ONE_CONNECTION = ("Connection", "Content-Length", "Date", "Server", "Transfer-Encoding")


class Proxy(ThreadingHTTPServer):
    """Hands requests on to a tracker.

    Attributes:
        mode: `pass` them; answer each with `error` 500; `hang`: neither hand them on nor answer; `mute`: have them
            carried out and never answer; `late`: have them carried out when the client has given up; `slow`: answer
            after two seconds.
    """

    daemon_threads = True

    def __init__(self, target: str, *, client_timeout_s: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target.removeprefix("http://")
        self.late_s = client_timeout_s + 1.0
        self.mode = "pass"
        self.released = threading.Event()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @contextlib.contextmanager
    def broken(self, mode: str) -> Iterator[None]:
        """In another mode while the block runs; then what hangs is cut off."""
        self.mode, self.released = mode, threading.Event()
        try:
            yield
        finally:
            self.mode = "pass"
            self.released.set()

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: clients that go away in the middle are what this is for."""


class _Handler(BaseHTTPRequestHandler):
    """Calls `_break` for every verb."""

    server: Proxy

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._break
        raise AttributeError(name)

    def _break(self) -> None:
        proxy, mode, released = self.server, self.server.mode, self.server.released
        body = self._body()
        if mode == "error":
            self.send_error(500)
            return
        if mode == "hang":
            released.wait()
            return
        if mode in ("late", "slow"):
            time.sleep(proxy.late_s if mode == "late" else _SLOW_S)
        status, headers, content = self._carried_out(body)
        if mode == "mute":
            released.wait()
        elif mode in ("pass", "slow"):
            self._answer(status, headers, content)

    def _body(self) -> bytes:
        if "Transfer-Encoding" not in self.headers:
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _carried_out(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {name: value for name, value in self.headers.items() if name not in _OF_ONE_CONNECTION}
        connection = http.client.HTTPConnection(self.server.target, timeout=60)
        with contextlib.closing(connection):
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.title() not in _OF_ONE_CONNECTION:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def proxied(target: str, *, client_timeout_s: float) -> Iterator[Proxy]:
    """A proxy in front of the tracker at `target`, for clients that give up after `client_timeout_s`."""
    with Proxy(target, client_timeout_s=client_timeout_s) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
