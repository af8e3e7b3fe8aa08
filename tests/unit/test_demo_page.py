"""The demo page without a browser: requests to the page's server, and its client of the model."""

import base64
import http.client
import io
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile

from ser.audio import LARGEST_SENT_BYTES
from ser.serving import page
from ser.serving.answer import Answer
from ser.serving.client import ServedModel, ServedModelError, serve_model
from ser.serving.page import serve_page
from ser.serving.pyfunc import LONGEST_TEXT
from ser.serving.spectrogram_image import compute_plot_data

SCRIPT = Path(__file__).parents[2] / "tune" / "try_model.py"


def encode_wav(wave: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, 16000, format="WAV")
    return buffer.getvalue()


TONE = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
ANSWER = Answer("fear", {"anger": 0.25, "fear": 0.75}, 1.0, "short")
CLIP, SLOW_CLIP = encode_wav(TONE), encode_wav(TONE[:8000])
FINE = (200, json.dumps({"predictions": [ANSWER.to_row()]}).encode())
REPLIES = {
    b"fine": FINE,
    CLIP: FINE,
    SLOW_CLIP: FINE,
    b"refused": (422, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "row 0: too long"}'),
    b"broken": (500, b"<html>"),
    b"nonsense": (200, b"[]"),
}  # fmt: skip


class Replies(BaseHTTPRequestHandler):
    """A model server whose reply depends on the clip; that to `SLOW_CLIP` waits for the end of the test."""

    asked, released = threading.Event(), threading.Event()

    def do_GET(self) -> None:
        self._reply(200, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        sent = next(clip for clip in REPLIES if base64.b64encode(clip) in body)
        if sent == SLOW_CLIP:
            self.asked.set()
            self.released.wait(30)
        self._reply(*REPLIES[sent])

    def _reply(self, status: int, reply: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def model() -> Iterator[ServedModel]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Replies) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield ServedModel(f"http://127.0.0.1:{server.server_address[1]}", "a model")
        Replies.released.set()
        server.shutdown()


@pytest.fixture(scope="module")
def port(model: ServedModel) -> Iterator[int]:
    """Port of a page for the model."""
    with serve_page(model) as address:
        yield port_of(address)


def port_of(address: str) -> int:
    found = urlsplit(address).port
    assert found is not None
    return found


def ask(
    port: int, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body of the reply to one request."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(method, path, body, headers or {})  # type: ignore[arg-type]
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()


@contextmanager
def started_upload(port: int, *, sent: bytes = b"x" * 10, length: int = 1000) -> Iterator[socket.socket]:
    """Connection on which the beginning of an upload was sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        head = f"POST /hear HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(head.encode() + sent)
        yield connection


def test_an_answer_is_read(model: ServedModel) -> None:
    assert model.predict(b"fine") == ANSWER


@pytest.mark.parametrize(
    ("sound", "message"),
    [(b"refused", "^too long$"), (b"broken", "refused the clip \\(HTTP 500\\)"), (b"nonsense", "gave no answer")],
)
def test_a_refusal_is_a_one_line_error(model: ServedModel, sound: bytes, message: str) -> None:
    with pytest.raises(ServedModelError, match=message):
        model.predict(sound)


def test_a_model_on_this_machine_is_asked_without_a_proxy(model: ServedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert model.is_up()
    assert model.predict(b"fine").emotion == "fear"


def test_a_model_elsewhere_is_asked_through_the_proxy(model: ServedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", model.url)
    assert ServedModel("http://model.example", "a model").predict(b"fine").emotion == "fear"


def test_the_page_and_its_files_are_given(port: int, model: ServedModel) -> None:
    kinds = {"/": "text/html", "/page.css": "text/css", "/page.js": "javascript", "/icon.svg": "image/svg+xml"}
    for path, kind in kinds.items():
        status, headers, content = ask(port, "GET", path)
        assert (status, len(content) > 100) == (200, True), path
        assert kind in headers["Content-Type"]
    named = {"name": "a model", "url": model.url, "largest_bytes": LARGEST_SENT_BYTES}
    assert json.loads(ask(port, "GET", "/model")[2]) == named


@pytest.mark.parametrize("path", ["/nothing", "/page.py", "/../page.py", "/%2e%2e/page.py", "/..%2fpage.py"])
def test_no_other_file_is_given(port: int, path: str) -> None:
    assert ask(port, "GET", path)[0] == 404


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/model", 200), ("/nothing", 404)])
def test_every_reply_has_the_security_headers(port: int, path: str, status: int) -> None:
    seen, headers, _ = ask(port, "GET", path)
    assert seen == status
    assert headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"Host": "127.0.0.1:{port}"}, True),
        ({"Host": "localhost:{port}", "Origin": "http://localhost:{port}"}, True),
        ({"Host": "127.0.0.1:{port}", "Origin": "http://localhost:{port}"}, True),
        ({"Host": "127.0.0.1"}, False),
        ({"Host": "127.0.0.1:1"}, False),
        ({"Host": "127.0.0.1.elsewhere.example:{port}"}, False),
        ({"Host": "127.0.0.1:{port}", "Origin": "http://localhost:1"}, False),
        ({"Host": "127.0.0.1:{port}", "Origin": "null"}, False),
        ({"Host": "127.0.0.1:{port}", "Origin": "http://["}, False),
    ],
)
def test_other_hosts_and_sites_are_refused(port: int, method: str, headers: dict[str, str], allowed: bool) -> None:
    headers = {name: value.format(port=port) for name, value in headers.items()}
    assert ask(port, method, "/model" if method == "GET" else "/hear", None, headers)[0] == (200 if allowed else 403)


def test_the_prediction_of_a_clip_comes_with_its_plot_data(port: int) -> None:
    reply = json.loads(ask(port, "POST", "/hear", CLIP)[2])
    assert (reply["emotion"], reply["probabilities"], reply["warning"]) == (
        "fear",
        {"anger": 0.25, "fear": 0.75},
        "short",
    )
    assert (reply["duration_s"], len(reply["envelope"])) == (1.0, 1200)
    assert set(reply["mel"]) == set(compute_plot_data(TONE)["mel"])


def test_bytes_that_are_no_sound_are_a_one_line_error(port: int) -> None:
    for body, said in {b"no sound": "cannot be read as sound", b"": "the sound file is empty"}.items():
        assert json.loads(ask(port, "POST", "/hear", body)[2])["error"].startswith(said)


@pytest.mark.parametrize("chunked", [False, True])
def test_too_large_a_file_is_a_one_line_error(port: int, chunked: bool) -> None:
    """All of it is sent before the answer is read, as a browser does."""
    body = b"x" * (2 * LARGEST_SENT_BYTES)
    pieces = (body[first : first + 2**20] for first in range(0, len(body), 2**20))
    said = json.loads(ask(port, "POST", "/hear", pieces if chunked else body)[2])["error"]
    assert said == "the file has 24.0 MiB, at most 12 are accepted: send a compressed or shorter one"
    assert 4 * LARGEST_SENT_BYTES // 3 == LONGEST_TEXT


def test_an_upload_that_does_not_end_is_closed(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "_UPLOAD_S", 0.3)
    with started_upload(port) as connection:
        received = b"".join(iter(lambda: connection.recv(2**16), b""))
    assert received.startswith(b"HTTP/1.1 408 ")
    assert b"the upload took longer than 0.3 s" in received


def test_a_client_that_leaves_amid_an_upload_is_not_logged(port: int, caplog: pytest.LogCaptureFixture) -> None:
    with started_upload(port):
        pass
    assert ask(port, "GET", "/model")[0] == 200
    time.sleep(0.2)
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]


def test_a_port_in_use_is_an_error(model: ServedModel, port: int) -> None:
    with pytest.raises(OSError, match="in use"), serve_page(model, port=port):
        pass


def test_the_port_is_free_after_the_page(model: ServedModel) -> None:
    for _ in range(2):
        with serve_page(model) as address:
            assert ask(port_of(address), "GET", "/model")[0] == 200
        with pytest.raises(ConnectionRefusedError):
            ask(port_of(address), "GET", "/model")


@contextmanager
def try_model(model: ServedModel, *words: object) -> Iterator[subprocess.Popen[str]]:
    """`python tune/try_model.py` for a model that is being served."""
    command = [sys.executable, str(SCRIPT), "--url", model.url, "--no-browser", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("wrong", ["in use", "65536"])
def test_a_port_that_cannot_be_used_is_a_one_line_error(model: ServedModel, port: int, wrong: str) -> None:
    number, reason = (port, "Address already in use") if wrong == "in use" else (65536, "bind")
    with try_model(model, "--port", number) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    (line,) = said.splitlines()
    assert line.startswith(f"error: port {number} cannot be used ({reason}")
    assert line.endswith("): give another --port")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_page_while_the_model_still_works_on_a_clip(
    model: ServedModel, number: signal.Signals
) -> None:
    Replies.asked.clear()
    with try_model(model, "--port", 0) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[1]
        with started_upload(port_of(address), sent=SLOW_CLIP, length=len(SLOW_CLIP)):
            assert Replies.asked.wait(30)
            process.send_signal(number)
            said, _ = process.communicate(timeout=10)
    assert (process.returncode, said) == (0, "Ended.\n")


def test_a_model_that_does_not_answer_is_an_error() -> None:
    away = ServedModel("http://127.0.0.1:9", "a model")
    assert not away.is_up()
    with pytest.raises(ServedModelError, match="check that the model is still served"):
        away.predict(b"fine")


@pytest.mark.integration
def test_a_model_that_does_not_exist_is_not_served(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(ServedModelError, match="models:/nobody/1 is not served"), serve_model("models:/nobody/1"):
        pass
