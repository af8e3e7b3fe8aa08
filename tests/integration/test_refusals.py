"""Bad requests to the model server, bare and behind the gateway: a short refusal, and the next request is answered."""

import io
import json
import time
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.support.command_runner import free_port
from tests.support.model_server import JSON, Answer, Server, gateway, request_of, sound, text

pytestmark = pytest.mark.integration

MOST_BYTES = 2048


def junk() -> bytes:
    return b"these are words, not sound " * 40


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("clip.wav", sound(np.zeros(16_000)))
    return buffer.getvalue()


def with_a_nan() -> bytes:
    samples = np.linspace(-0.5, 0.5, 8_000, dtype=np.float32)
    samples[5] = np.nan
    return sound(samples, subtype="FLOAT")


def two_hours(kind: str) -> bytes:
    data = sound(np.zeros(2 * 3600 * 8_000, np.int16), rate_hz=8_000, kind=kind)
    assert len(data) < 700_000
    return data


def voice(corpus_dir: Path) -> bytes:
    return next((corpus_dir / "AudioWAV").glob("*.wav")).read_bytes()


# Rows that reach our code, each sent as the second of two, and how the error message begins.
ROWS: dict[str, tuple[Callable[[Path], object], str]] = {
    "not base64": (
        lambda _: "*** no base64 ***",
        "audio must be the base64 of a WAV, FLAC, OGG or MP3 file; this is not",
    ),
    "base64 of junk": (lambda _: text(junk()), "cannot be read as sound"),
    "empty": (lambda _: "", "the sound file is empty (0 bytes)"),
    "null": (lambda _: None, "audio is missing: it must be text"),
    "a number": (lambda _: 7, "audio is missing: it must be text"),
    "zero samples": (lambda _: text(sound(np.zeros(0))), "the sound file holds no samples"),
    "all silent": (lambda _: text(sound(np.zeros(16_000))), "every sample of the sound is zero"),
    "NaN samples": (lambda _: text(with_a_nan()), "the sound holds samples that are not finite"),
    "huge samples": (lambda _: text(sound(np.full(8_000, 1e18, np.float32), subtype="FLOAT")), "the sound"),
    "truncated WAV": (lambda folder: text(voice(folder)[:-2_000]), "the file is cut off"),
    "a zip": (lambda _: text(archive()), "cannot be read as sound"),
    "a Git LFS pointer": (lambda _: text(b"version https://git-lfs.github.com/spec/v1\n"), "this is a Git LFS pointer"),
    "two hours of silence, FLAC": (lambda _: text(two_hours("FLAC")), "the sound lasts 7200.0 s, at most 60 s"),
    "two hours of silence, OGG": (lambda _: text(two_hours("OGG")), "the sound lasts 7200.0 s, at most 60 s"),
}


@dataclass(frozen=True)
class Refused:
    """A request that never reaches our code, with the status of the bare server and of the gateway."""

    body: Callable[[str], bytes]
    bare: int
    behind: int
    content_type: str | None = JSON


def as_json(content: Callable[[str], object]) -> Callable[[str], bytes]:
    return lambda good: json.dumps(content(good)).encode()


REQUESTS = {
    "wrong column": Refused(as_json(lambda good: {"dataframe_records": [{"sound": good}]}), 400, 400),
    "wrong column, inputs": Refused(as_json(lambda good: {"inputs": {"sound": [good]}}), 400, 400),
    "missing column": Refused(as_json(lambda _: {"dataframe_records": [{}]}), 400, 400),
    "no rows": Refused(lambda _: request_of([]), 400, 400),
    "no form": Refused(as_json(lambda good: {"rows": [good]}), 400, 400),
    "wrong JSON": Refused(lambda good: request_of([good])[:-1], 400, 400),
    "JSON of another shape": Refused(lambda _: b'{"dataframe_split": 5}', 400, 400),
    "nested too deep": Refused(lambda _: b"[" * 100_000, 500, 400),
    "a number of 5,000 digits": Refused(lambda _: b'{"inputs": ' + b"1" * 5_000 + b"}", 500, 400),
    "no body": Refused(lambda _: b"", 400, 400),
    "wrong content type": Refused(lambda good: request_of([good]), 415, 415, "text/plain"),
    "no content type": Refused(lambda good: request_of([good]), 500, 415, None),
    "CSV that is none": Refused(lambda _: b'a,b\n"1', 400, 415, "text/csv"),
    "Parquet that is none": Refused(lambda _: b"PAR1junk", 400, 415, "application/vnd.apache.parquet"),
}


def check_short(answer: Answer, *, body: bytes) -> None:
    assert 400 <= answer.status < 500
    assert len(answer.body) < MOST_BYTES
    assert set(answer.content) <= {"error_code", "message", "sqlstate", "error_class"}
    assert b"Traceback" not in answer.body
    pieces = [body[first : first + 24] for first in range(60, min(len(body) - 24, 4_000), 12)]
    assert not [piece for piece in pieces if piece in answer.body]


def check_is_up(server: Server, good: str) -> None:
    assert len(server.ask([good]).rows) == 1


@pytest.fixture(scope="module")
def good(corpus_dir: Path) -> str:
    return text(voice(corpus_dir))


@pytest.mark.parametrize("name", ROWS)
def test_a_bad_row_is_named_with_its_rule_and_nothing_else(
    server: Server, guarded: Server, corpus_dir: Path, good: str, name: str
) -> None:
    make, message = ROWS[name]
    body = request_of([good, make(corpus_dir)])
    bare, behind = server.post(body), guarded.post(body)
    assert behind == bare
    assert bare.status == 422
    assert bare.content["error_code"] == "INVALID_PARAMETER_VALUE"
    assert bare.content["message"].startswith(f"row 1: {message}")
    assert len(bare.content["message"]) < 250
    check_short(bare, body=body)
    check_is_up(server, good)


@pytest.mark.parametrize("name", REQUESTS)
def test_refusals_of_mlflow_are_one_line_behind_the_gateway(
    server: Server, guarded: Server, good: str, name: str
) -> None:
    request = REQUESTS[name]
    body = request.body(good)
    # A connection of its own: MLflow's server hangs up after its 500.
    with server.another() as another:
        assert another.post(body, request.content_type).status == request.bare
    answer = guarded.post(body, request.content_type)
    assert answer.status == request.behind
    check_short(answer, body=body)
    check_is_up(guarded, good)


def test_ten_thousand_rows_are_refused_with_the_allowed_number(server: Server, guarded: Server, good: str) -> None:
    body = request_of(["AAAA"] * 10_000)
    for each in (server, guarded):
        answer = each.post(body)
        assert (answer.status, answer.content["message"]) == (
            422,
            "a request may hold 256 rows, got 10,000: send several requests",
        )
        check_is_up(each, good)


def test_a_file_of_60_mb_is_refused_by_our_code_and_before_it_by_the_gateway(
    server: Server, guarded: Server, good: str
) -> None:
    body = request_of(["A" * 80_000_000])
    bare = server.post(body)
    assert bare.status == 422
    assert bare.content["message"].startswith("row 0: audio has 80,000,000 characters, at most 16,777,216 are accepted")
    check_short(bare, body=body)
    with guarded.another() as another:
        behind = another.post(body)
    assert behind.status == 413
    assert "16 MiB" in behind.content["message"]
    check_is_up(server, good)
    check_is_up(guarded, good)


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/version", "/"])
def test_the_gateway_shows_nothing_but_what_is_needed(guarded: Server, path: str) -> None:
    assert guarded.get(path).status == 404
    assert guarded.get("/invocations").status == 405


@pytest.mark.parametrize("absent_first", [False, True])
def test_one_server_of_two_may_be_absent(server: Server, good: str, tmp_path: Path, *, absent_first: bool) -> None:
    """No server listens at the other address, and the client does not notice."""
    absent = Server(free_port(), 0)
    with gateway(tmp_path, *((absent, server) if absent_first else (server, absent))) as guarded:
        statuses = [guarded.ask([good]).status for _ in range(12)]
        assert statuses == [200] * 12
    refused = (tmp_path / f"gateway-{guarded.port}" / "stderr.txt").read_text().count("Connection refused")
    assert refused >= 6 if absent_first else refused == 1


def first_with_status(server: Server, good: str, status: int) -> Answer:
    """The first answer with a status: the gateway notices closed connections one after the other."""
    deadline = time.monotonic() + 8
    while (answer := server.ask([good])).status != status:
        assert time.monotonic() < deadline
    return answer


def test_requests_that_never_end_hold_up_nobody_until_there_are_32_of_them(guarded: Server, good: str) -> None:
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(31):
            stack.enter_context(guarded.opened()).sendall(head + b"{")
        check_is_up(guarded, good)
        # Some of these may be refused: a request before them counts until the gateway has closed it.
        for _ in range(5):
            stack.enter_context(guarded.opened()).sendall(head + b"{")
            time.sleep(0.1)
        answer = first_with_status(guarded, good, 429)
    assert answer.content["message"] == "32 requests are under way: try again later"
    first_with_status(guarded, good, 200)
