"""A server of CREMA-D's repository as GitHub serves it: LFS pointers here, media there; and faults on purpose."""

import hashlib
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TABLES = {
    "VideoDemographics.csv": '"ActorID","Age"\n1001,51\n',
    "processedResults/summaryTable.csv": '"","FileName","VoiceVote"\n"1","1001_IEO_NEU_XX","N"\n',
}


class Publisher(ThreadingHTTPServer):
    """Serves clips; the faults of a path are used up one request at a time.

    Attributes:
        faults: of a path: `drop` the connection in the middle, serve `damaged` bytes or `endless` ones, answer `busy`
            (429 with Retry-After) or `error` (500), `hang`; a fault that is there many times is used up as often.
        delay_s: how long it thinks before it sends.
        asked: how often each path was asked for.
    """

    daemon_threads = True

    def __init__(self, clips: Mapping[str, bytes], *, listed: list[str] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = dict(_files(clips, listed or list(clips)))
        self.faults: defaultdict[str, list[str]] = defaultdict(list)
        self.retry_after_s = 1
        self.delay_s = 0.0
        self.asked: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def addresses(self) -> str:
        """As `--download-from` takes them."""
        return f"http://127.0.0.1:{self.server_address[1]}/raw,http://127.0.0.1:{self.server_address[1]}/media"

    def fault_of(self, path: str) -> str:
        with self.lock:
            self.asked[path] += 1
            return self.faults[path].pop(0) if self.faults[path] else ""

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: clients that are killed are what this is for."""


def _files(clips: Mapping[str, bytes], listed: list[str]) -> Iterator[tuple[str, bytes]]:
    for name, text in TABLES.items():
        yield f"/raw/{name}", text.encode()
    rows = "".join(f'{number},"{name}"\n' for number, name in enumerate(listed, 1))
    yield "/raw/SentenceFilenames.csv", f'"Stimulus_Number","Filename"\n{rows}'.encode()
    for name, data in clips.items():
        yield f"/raw/AudioWAV/{name}.wav", pointer_of(data)
        yield f"/media/AudioWAV/{name}.wav", data


def pointer_of(data: bytes) -> bytes:
    digest = hashlib.sha256(data).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(data)}\n".encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Publisher

    def do_GET(self) -> None:
        fault, data = self.server.fault_of(self.path), self.server.files.get(self.path)
        time.sleep(self.server.delay_s)
        if data is None:
            self.send_error(404)
        elif fault == "busy":
            self._head(429, 0, ("Retry-After", str(self.server.retry_after_s)))
        elif fault == "error":
            self._head(500, 0)
        elif fault == "hang":
            self.close_connection = True
            threading.Event().wait(5)
        elif fault == "endless":
            self._send_until_hung_up()
        else:
            self._send(data if fault != "damaged" else data[:-1] + bytes([data[-1] ^ 1]), cut=fault == "drop")

    def _send(self, data: bytes, *, cut: bool) -> None:
        self._head(200, len(data))
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.wfile.flush()
            self.close_connection = True

    def _send_until_hung_up(self) -> None:
        self.close_connection = True
        self.send_response(200)
        self.end_headers()
        started = time.monotonic()
        while time.monotonic() - started < 5:
            self.wfile.write(bytes(1 << 16))

    def _head(self, status: int, length: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("Content-Length", str(length)), *headers):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def published(clips: Mapping[str, bytes], *, listed: list[str] | None = None) -> Iterator[Publisher]:
    """A publisher while the block runs."""
    with Publisher(clips, listed=listed) as publisher:
        thread = threading.Thread(target=publisher.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield publisher
        finally:
            publisher.shutdown()
            thread.join()


def clips_in(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*.wav"))}
