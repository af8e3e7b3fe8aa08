"""The champion behind HTTP: the same numbers as offline, in every form of request; a clean no to what is no sound."""

import base64
import io
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from processes import MLFLOW, REPOSITORY, free_port, run, running
from ser.audio import decode
from ser.bundle import Classifier, load_bundle
from ser.report.leaderboard import leaderboard
from tracked import FinishedSweep

pytestmark = pytest.mark.integration

SAMPLE = REPOSITORY / "mlflow" / "sample_request.json"
OFFLINE = """
import json, sys
import pandas, mlflow.pyfunc
rows = json.load(open(sys.argv[1]))
model = mlflow.pyfunc.load_model("models:/ser-synthetic@champion")
print(model.predict(pandas.DataFrame({"audio": rows})).to_json(orient="records", double_precision=15))
"""


class Server:
    """A running `mlflow models serve`."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/ping", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def post(self, body: bytes) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"{self._url}/invocations", data=body, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, json.load(refusal)

    def ask(self, form: str, content: object) -> tuple[int, Any]:
        return self.post(json.dumps({form: content}).encode())


@pytest.fixture(scope="module")
def server(finished: FinishedSweep) -> Iterator[Server]:
    port = free_port()
    words = [MLFLOW, "models", "serve", "-m", "models:/ser-synthetic@champion", "--env-manager", "local", "-p", port]
    variables = {"MLFLOW_TRACKING_URI": f"sqlite:///{finished.folder}/mlflow.db"}
    with running(*words, folder=finished.folder, variables=variables) as command:
        made = Server(port)
        command.wait_until(made.is_up, timeout_s=120)
        yield made


@pytest.fixture(scope="module")
def waves(corpus_dir: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((corpus_dir / "AudioWAV").glob("1021_*.wav"))[:3]]


@pytest.fixture(scope="module")
def classifier(finished: FinishedSweep) -> Classifier:
    best = finished.record.trials[leaderboard(finished.record)[0].key]
    assert best.ended is not None
    return Classifier(load_bundle(Path(best.ended.bundle)))


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def as_format(wav: bytes, name: str) -> bytes:
    samples, rate_hz = soundfile.read(io.BytesIO(wav), dtype="int16")
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format=name)
    return buffer.getvalue()


def check_answer(row: dict[str, Any], data: bytes, classifier: Classifier) -> None:
    expected = classifier.probabilities(decode(data))
    given = np.array([row[emotion] for emotion in classifier.emotions])
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-7)
    assert row["emotion"] == classifier.emotions[int(expected.argmax())]


def test_every_form_of_request_gives_the_answers_of_the_bundle(
    server: Server, waves: list[bytes], classifier: Classifier
) -> None:
    texts = [text(data) for data in waves]
    forms: dict[str, object] = {
        "dataframe_records": [{"audio": one} for one in texts],
        "dataframe_split": {"columns": ["audio"], "data": [[one] for one in texts]},
        "inputs": {"audio": texts},
    }
    answers = {form: server.ask(form, content) for form, content in forms.items()}
    for status, answer in answers.values():
        assert status == 200, answer
        assert answer == answers["dataframe_records"][1]
        for row, data in zip(answer["predictions"], waves, strict=True):
            check_answer(row, data, classifier)


@pytest.mark.parametrize("name", ["WAV", "FLAC", "OGG", "MP3"])
def test_every_kind_of_file_is_heard(server: Server, waves: list[bytes], classifier: Classifier, name: str) -> None:
    data = as_format(waves[0], name)
    status, answer = server.ask("dataframe_records", [{"audio": text(data)}])
    assert status == 200, answer
    (row,) = answer["predictions"]
    check_answer(row, data, classifier)
    assert sum(row[emotion] for emotion in classifier.emotions) == pytest.approx(1)


def test_served_is_what_a_fresh_process_predicts(finished: FinishedSweep, server: Server, waves: list[bytes]) -> None:
    texts = [text(data) for data in waves]
    (finished.folder / "rows.json").write_text(json.dumps(texts))
    ended = run(sys.executable, "-c", OFFLINE, "rows.json", folder=finished.folder)
    assert ended.code == 0, ended.seen
    offline = json.loads(ended.stdout.splitlines()[-1])
    _, answer = server.ask("inputs", {"audio": texts})
    for served, alone in zip(answer["predictions"], offline, strict=True):
        assert served == pytest.approx(alone)


def test_the_sample_request_is_a_voice_and_is_answered(server: Server, classifier: Classifier) -> None:
    body = SAMPLE.read_bytes()
    assert len(body) < 20_000
    (row,) = json.loads(body)["dataframe_records"]
    data = base64.b64decode(row["audio"])
    status, answer = server.post(body)
    assert status == 200, answer
    check_answer(answer["predictions"][0], data, classifier)


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ("*** no base64 ***", "row 1: audio must be the base64 of a WAV, FLAC, OGG or MP3 file; this is not base64"),
        ("", "row 1: the sound file is empty (0 bytes)"),
        (None, "row 1: audio is missing: it must be text"),
        (text(b"these are words, not sound " * 40), "row 1: cannot be read as sound"),
        (text(b"version https://git-lfs.github.com/spec/v1\n"), "row 1: this is a Git LFS pointer"),
    ],
    ids=["not base64", "empty", "null", "no sound", "pointer"],
)
def test_a_bad_row_is_named_with_its_rule_and_nothing_else(
    server: Server, waves: list[bytes], bad: str | None, sentence: str
) -> None:
    status, refusal = server.ask("dataframe_records", [{"audio": text(waves[0])}, {"audio": bad}])
    assert status == 400
    assert refusal["error_code"] == "INVALID_PARAMETER_VALUE"
    assert refusal["message"].startswith(sentence)
    seen = json.dumps(refusal)
    assert "stack_trace" not in seen
    assert "Traceback" not in seen
    assert text(waves[0])[:24] not in seen
    assert len(refusal["message"]) < 200
    status, answer = server.ask("dataframe_records", [{"audio": text(waves[0])}])
    assert status == 200, answer


def test_silence_is_answered_with_finite_probabilities(server: Server, classifier: Classifier) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(16000), 16000, format="WAV")
    status, answer = server.ask("inputs", {"audio": [text(buffer.getvalue())]})
    assert status == 200, answer
    assert np.isfinite([answer["predictions"][0][emotion] for emotion in classifier.emotions]).all()


def test_a_request_without_the_column_is_refused(server: Server, waves: list[bytes]) -> None:
    status, refusal = server.ask("dataframe_records", [{"sound": text(waves[0])}])
    assert status == 400
    assert "audio" in refusal["message"]
    assert "stack_trace" not in refusal
