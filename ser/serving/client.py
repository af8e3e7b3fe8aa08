"""Client of a served model, and the server process of a model that is served for the demo page."""

import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ser.errors import UserError
from ser.serving.answer import AUDIO, Answer

_START_S = 120.0
_PING_S = 2.0
_ANSWER_S = 60.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class ServedModelError(UserError):
    """The model does not answer, or refuses the clip."""


@dataclass(frozen=True)
class ServedModel:
    """Client of a model behind `mlflow models serve`.

    Attributes:
        url: address of its server, without a path.
        name: for display.
    """

    url: str
    name: str

    def is_up(self) -> bool:
        """Test whether the server answers."""
        try:
            with _open(urllib.request.Request(f"{self.url}/ping"), timeout_s=_PING_S) as reply:
                return bool(reply.status == 200)
        except (OSError, ValueError):
            return False

    def predict(self, audio: bytes) -> Answer:
        """Predict the emotion of one sound file.

        Args:
            audio: content of a WAV, FLAC, OGG or MP3 file.

        Raises:
            ServedModelError: the model refuses the file, or gives no answer.
        """
        body = json.dumps({"inputs": {AUDIO: [base64.b64encode(audio).decode()]}}).encode()
        try:
            request = urllib.request.Request(f"{self.url}/invocations", body, {"Content-Type": "application/json"})
            with _open(request, timeout_s=_ANSWER_S) as reply:
                return Answer.from_row(json.load(reply)["predictions"][0])
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise ServedModelError(_read_refusal(refusal)) from None
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise ServedModelError(
                f"{self.url} gave no answer ({error})", "check that the model is still served at this address"
            ) from None


@contextmanager
def serve_model(uri: str) -> Iterator[ServedModel]:
    """Serve an MLflow model on a free port of this machine while the block runs.

    The server is a process of its own, which loads the code that was logged with the model, not the installed one.

    Args:
        uri: of the model, such as models:/ser-cremad@champion.

    Raises:
        ServedModelError: it does not start.
    """
    port = _find_free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", uri, "--env-manager", "local"]
    # As in an activated environment, because the command searches PATH for its web server.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            model = ServedModel(f"http://127.0.0.1:{port}", uri)
            _wait_until_up(model, process)
            yield model
        except _NotUpError:
            log.seek(0)
            last_line = ([line.strip() for line in log if line.strip()] or ["no output"])[-1]
            raise ServedModelError(
                f"{uri} is not served ({last_line[:300]})", "check its name and the tracker"
            ) from None
        finally:
            _end_server(process)


class _NotUpError(Exception):
    """The server ended, or took too long to start."""


def _wait_until_up(model: ServedModel, process: "subprocess.Popen[bytes]") -> None:
    deadline_s = time.monotonic() + _START_S
    while not model.is_up():
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise _NotUpError
        time.sleep(0.1)


def _end_server(process: "subprocess.Popen[bytes]") -> None:
    """End the server and its workers, which are a session of their own."""
    try:
        os.killpg(process.pid, 15)
        process.wait(10)
    except ProcessLookupError:
        return
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()


def _open(request: urllib.request.Request, *, timeout_s: float) -> Any:
    """Send a request, without `http_proxy` to this machine, which a proxy cannot reach."""
    proxies: dict[str, str] | None = {} if urlsplit(request.full_url).hostname in _LOOPBACK else None
    return urllib.request.build_opener(urllib.request.ProxyHandler(proxies)).open(request, timeout=timeout_s)


def _read_refusal(refusal: urllib.error.HTTPError) -> str:
    # A reply holds nothing but this text. Its row number says nothing, because the client sends one row.
    try:
        return str(json.load(refusal)["message"]).removeprefix("row 0: ")
    except (ValueError, LookupError, TypeError):
        return f"the model refused the clip (HTTP {refusal.code})"


def _find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
