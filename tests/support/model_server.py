"""The model server, and the gateway in front of it, as a user starts them; and sounds to send."""

import base64
import http.client
import io
import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from tests.support.command_runner import MLFLOW, REPOSITORY, free_port, running

CHAMPION = "models:/ser-synthetic@champion"
JSON = "application/json"
FORMS = ("dataframe_records", "dataframe_split", "inputs")
# Nothing outside this machine can be reached, and pickle is forbidden.
ALONE = {
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"),
    **dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1"),
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
}
_CONFIGURATION = REPOSITORY / "docker" / "gateway.conf"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)

    @property
    def rows(self) -> list[dict[str, Any]]:
        assert self.status == 200, self.body
        return list(self.content["predictions"])


class Server:
    """Something that answers at a port of this machine; one connection, kept open."""

    def __init__(self, port: int, process: int) -> None:
        self.port, self.process = port, process
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=90)

    @contextmanager
    def another(self) -> Iterator["Server"]:
        """The same over a connection of its own."""
        with closing(Server(self.port, self.process)) as another:
            yield another

    def close(self) -> None:
        self._connection.close()

    def is_up(self) -> bool:
        try:
            return self.get("/ping").status == 200
        except OSError:
            self.close()
            return False

    def post(self, body: bytes, content_type: str | None = JSON) -> Answer:
        headers = {"Content-Type": content_type} if content_type is not None else {}
        try:
            return self._asked("POST", "/invocations", body, headers)
        except http.client.RemoteDisconnected:
            # The server hangs up where nothing comes for some seconds.
            self.close()
            return self._asked("POST", "/invocations", body, headers)

    def get(self, path: str) -> Answer:
        return self._asked("GET", path, b"", {})

    def opened(self) -> socket.socket:
        """A connection on which anything can be sent."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def ask(self, texts: Sequence[object], form: str = "dataframe_records") -> Answer:
        return self.post(request_of(texts, form))

    def _asked(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        # Where a request is refused before all of it was sent, the answer is there.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        return Answer(response.status, response.read())


def request_of(texts: Sequence[object], form: str = "dataframe_records") -> bytes:
    """The body of a request for these rows."""
    contents = {
        "dataframe_records": [{"audio": text} for text in texts],
        "dataframe_split": {"columns": ["audio"], "data": [[text] for text in texts]},
        "inputs": {"audio": list(texts)},
    }
    return json.dumps({form: contents[form]}).encode()


@contextmanager
def serving(tracked: Path, *words: object, model: str = CHAMPION) -> Iterator[Server]:
    """`mlflow models serve` of a model in the default tracker of the folder `tracked`."""
    port = free_port()
    command = [MLFLOW, "models", "serve", "-m", model, "--env-manager", "local", "-p", port, *words]
    variables = {"MLFLOW_TRACKING_URI": f"sqlite:///{tracked}/mlflow.db", **ALONE}
    with (
        running(*command, folder=_empty(tracked, f"server-{port}"), variables=variables) as process,
        closing(Server(port, process.pid)) as server,
    ):
        process.wait_until(server.is_up)
        yield server


@contextmanager
def gateway(folder: Path, *behind: Server) -> Iterator[Server]:
    """`docker/gateway.conf` in front of one model server or two; only the ports are others."""
    port = free_port()
    prefix = _empty(folder, f"gateway-{port}")
    first, second = (*(server.port for server in behind), free_port())[:2]
    configuration = _CONFIGURATION.read_text()
    places = {"listen 8080;": f"listen 127.0.0.1:{port};", ":5001 max": f":{first} max", ":5002 max": f":{second} max"}
    for old, new in places.items():
        assert configuration.count(old) == 1
        configuration = configuration.replace(old, new)
    (prefix / "gateway.conf").write_text(configuration)
    with (
        running("nginx", "-p", prefix, "-c", prefix / "gateway.conf", folder=prefix) as process,
        closing(Server(port, process.pid)) as server,
    ):
        process.wait_until(server.is_up)
        yield server


def _empty(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def sound(samples: Any, *, rate_hz: int = 16_000, kind: str = "WAV", subtype: str | None = None) -> bytes:
    """A sound file of these samples."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", rate_hz, 1, format=kind, subtype=subtype) as file:
        # In pieces: libsndfile's Vorbis encoder dies of long ones.
        for first in range(0, len(samples), 1 << 16):
            file.write(samples[first : first + (1 << 16)])
    return buffer.getvalue()


def as_kind(wav: bytes, kind: str) -> bytes:
    """The same sound in another kind of file."""
    samples, rate_hz = soundfile.read(io.BytesIO(wav), dtype="int16")
    return sound(samples, rate_hz=rate_hz, kind=kind)


def cut(wav: bytes, seconds: float) -> bytes:
    """The beginning of a sound."""
    samples, rate_hz = soundfile.read(io.BytesIO(wav), dtype="int16")
    return sound(samples[: round(seconds * rate_hz)], rate_hz=rate_hz)


def scaled(wav: bytes, factor: float) -> bytes:
    """The same sound louder or softer, cut off at full scale."""
    samples, rate_hz = soundfile.read(io.BytesIO(wav), dtype="float32")
    return sound(np.clip(samples * factor, -1, 1), rate_hz=rate_hz)
