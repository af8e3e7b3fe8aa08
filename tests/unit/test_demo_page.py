"""What the page draws and asks, without a browser."""

import base64
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from ser.audio import LARGEST_SENT_BYTES
from ser.features.base import Spectra
from ser.features.mel_scale import band_centres_hz, mel_weights
from ser.features.spaces import MelSpace
from ser.serving.answer import Answer
from ser.serving.client import ServedModel, ServedModelError, served
from ser.serving.page import page_server
from ser.serving.pyfunc import LONGEST_TEXT
from ser.serving.spectrogram_image import picture

TONE = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
ROW = {"emotion": "fear", "anger": 0.25, "fear": 0.75, "duration_s": 1.0, "warning": "short"}
REPLIES = {
    b"fine": (200, json.dumps({"predictions": [ROW]}).encode()),
    b"refused": (422, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "row 0: too long"}'),
    b"broken": (500, b"<html>"),
    b"nonsense": (200, b"[]"),
}  # fmt: skip


class Replies(BaseHTTPRequestHandler):
    """A model server that says what its last hearer was told to say."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, reply = next(reply for text, reply in REPLIES.items() if base64.b64encode(text) in body)
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
        server.shutdown()


def test_the_picture_is_the_spectrogram_that_networks_see() -> None:
    drawn = picture(TONE)["mel"]
    levels = np.frombuffer(base64.b64decode(drawn["levels"]), np.uint8).reshape(drawn["n_frames"], drawn["n_mels"])
    span = drawn["high_db"] - drawn["low_db"]
    space = MelSpace()
    expected = space.compute(Spectra(TONE, space.framing))
    np.testing.assert_allclose(drawn["low_db"] + levels / 255 * span, expected, atol=span / 255)
    loudest = int(levels.mean(axis=0).argmax())
    assert drawn["centres_hz"][loudest] == pytest.approx(1000, rel=0.05)


def test_the_picture_covers_the_clip_from_end_to_end() -> None:
    drawn = picture(TONE)
    assert drawn["duration_s"] == 1.0
    envelope = np.array(drawn["envelope"])
    assert len(envelope) == 1200
    assert envelope.min() == pytest.approx(-1)
    assert envelope.max() == pytest.approx(1)
    assert drawn["mel"]["n_frames"] * drawn["mel"]["hop_s"] == pytest.approx(1.0, abs=0.02)


def test_silence_and_a_single_sample_can_be_drawn() -> None:
    assert picture(np.zeros(16000, np.float32))["mel"]["low_db"] == picture(np.zeros(1, np.float32))["mel"]["high_db"]


def test_bands_weigh_most_at_their_centres() -> None:
    bins_hz = np.linspace(0, 8000, 1 + 4096 // 2)
    peaks = bins_hz[mel_weights(4096, 64).argmax(axis=1)]
    np.testing.assert_allclose(band_centres_hz(64), peaks, atol=8000 / 2048)


def test_an_answer_is_read(model: ServedModel) -> None:
    assert model.hear(b"fine") == Answer("fear", {"anger": 0.25, "fear": 0.75}, 1.0, "short")


@pytest.mark.parametrize(
    ("sound", "sentence"),
    [(b"refused", "^too long$"), (b"broken", "refused the clip \\(HTTP 500\\)"), (b"nonsense", "gave no answer")],
)
def test_a_refusal_is_a_sentence(model: ServedModel, sound: bytes, sentence: str) -> None:
    with pytest.raises(ServedModelError, match=sentence):
        model.hear(sound)


def test_too_large_a_file_is_answered_by_a_sentence(model: ServedModel) -> None:
    """All of it is sent before the answer is read, as a browser does."""
    with page_server(model) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)
        with closing(connection):
            connection.request("POST", "/hear", b"x" * (2 * LARGEST_SENT_BYTES))
            said = json.load(connection.getresponse())["error"]
        server.shutdown()
    assert said == "the file has 24.0 MiB, at most 12 are taken: send a compressed or shorter one"
    assert 4 * LARGEST_SENT_BYTES // 3 == LONGEST_TEXT


def test_a_model_that_is_away_is_said_to_be() -> None:
    away = ServedModel("http://127.0.0.1:9", "a model")
    assert not away.is_up()
    with pytest.raises(ServedModelError, match="is the model still being served"):
        away.hear(b"fine")


@pytest.mark.integration
def test_a_model_that_does_not_exist_is_not_served(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(ServedModelError, match="models:/nobody/1 is not served"), served("models:/nobody/1"):
        pass
