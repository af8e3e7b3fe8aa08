"""The served model as the page asks it: one that runs somewhere, or one that is started for the page."""

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

from ser.serving.answer import AUDIO, Answer

_START_S = 120.0
_ANSWER_S = 60.0


class ServedModelError(RuntimeError):
    """The model did not answer, or refused the clip; the message is for the one who asked."""


@dataclass(frozen=True)
class ServedModel:
    """A model behind `mlflow models serve`; `name` is what the page calls it."""

    url: str
    name: str

    def is_up(self) -> bool:
        """Whether it answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, ValueError):
            return False

    def hear(self, audio: bytes) -> Answer:
        """What it makes of the bytes of a sound file.

        Raises:
            ServedModelError: it refuses them, or gives no answer.
        """
        body = json.dumps({"inputs": {AUDIO: [base64.b64encode(audio).decode()]}}).encode()
        request = urllib.request.Request(f"{self.url}/invocations", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:
                return Answer.from_row(json.load(answer)["predictions"][0])
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise ServedModelError(_sentence(refusal)) from None
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise ServedModelError(f"{self.url} gave no answer ({error}): is the model still being served?") from None


@contextmanager
def served(model: str) -> Iterator[ServedModel]:
    """Serve an MLflow model on a free port of this machine while the block runs.

    In a process of its own, which loads the code that was logged with the model, and not what is installed now.

    Args:
        model: its address, such as models:/ser-cremad@champion.

    Raises:
        ServedModelError: it does not start.
    """
    port = _free_port()
    words = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    # As in an activated environment: the command looks for its web server there.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [*words, "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            served_model = ServedModel(f"http://127.0.0.1:{port}", model)
            _wait(served_model, process)
            yield served_model
        except _NotUpError:
            log.seek(0)
            last = ([line.strip() for line in log if line.strip()] or ["it said nothing"])[-1]
            raise ServedModelError(f"{model} is not served ({last[:300]}): check its name and the tracker") from None
        finally:
            _end(process)


class _NotUpError(Exception):
    """The server ended, or took too long."""


def _wait(model: ServedModel, process: "subprocess.Popen[bytes]") -> None:
    deadline_s = time.monotonic() + _START_S
    while not model.is_up():
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise _NotUpError
        time.sleep(0.1)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the server and its workers, which are a session of their own."""
    try:
        os.killpg(process.pid, 15)
        process.wait(10)
    except ProcessLookupError:
        return
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()


def _sentence(refusal: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(refusal)["message"]).removeprefix("row 0: ")
    except (ValueError, LookupError, TypeError):
        return f"the model refused the clip (HTTP {refusal.code})"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
