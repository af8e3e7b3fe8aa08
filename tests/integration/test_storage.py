"""Corpora behind a URL: Ray's workers read them from an S3 server and from a web server, no file on their disk."""

import functools
import http.server
import os
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.support.command_runner import EXTRACT, Finished, free_port, run, running
from tests.support.stored_features import check_stored

pytestmark = pytest.mark.integration

N_CLIPS = 40


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An S3 server of moto's; what a client needs in its environment."""
    port = free_port()
    variables = {
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
    with running(*words, folder=tmp_path_factory.mktemp("s3"), variables=variables) as server:
        server.wait_until(lambda: answers(variables["AWS_ENDPOINT_URL"]))
        yield variables


def answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except OSError:
        return False
    return True


def clips_of(corpus: Path) -> list[Path]:
    return sorted((corpus / "AudioWAV").iterdir())[:N_CLIPS]


def extract(place: str, folder: Path, variables: dict[str, str] | None = None) -> Finished:
    words = ["--corpus", "cremad", "--corpus-dir", place, "--store", folder / "store"]
    return run(sys.executable, EXTRACT, *words, folder=folder, variables=variables)


def client_of(variables: dict[str, str]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        region_name=variables["AWS_DEFAULT_REGION"],
    )


def upload(clips: list[Path], variables: dict[str, str]) -> None:
    client = client_of(variables)
    client.create_bucket(Bucket="corpora")
    for path in clips:
        client.put_object(Bucket="corpora", Key=f"cremad/AudioWAV/{path.name}", Body=path.read_bytes())


def test_workers_read_a_corpus_from_s3(tmp_path: Path, corpus_dir: Path, s3: dict[str, str]) -> None:
    upload(clips_of(corpus_dir), s3)
    ended = extract("s3://corpora/cremad", tmp_path, s3)
    assert ended.code == 0, ended.seen
    assert "Corpus cremad in s3://corpora/cremad: 40 of 7,442 clips" in ended.stdout
    assert ": 40 computed, 0 were there" in ended.stdout
    check_stored(clips_of(corpus_dir), tmp_path / "store")
    nowhere = extract("s3://corpora/elsewhere", tmp_path, s3)
    assert (nowhere.code, len(nowhere.seen.splitlines())) == (2, 1), nowhere.seen
    assert nowhere.stdout.startswith("error: s3://corpora/elsewhere is not a folder: give the folder that holds")


def test_the_start_of_files_is_read_from_s3_whatever_their_size(tmp_path: Path, s3: dict[str, str]) -> None:
    client = client_of(s3)
    client.create_bucket(Bucket="sizes")
    for name, data in (("a.wav", b""), ("b #1?.wav", b"abc")):
        client.put_object(Bucket="sizes", Key=name, Body=data)
    code = """if True:
        from ser.corpora.locations import list_folder, read_bytes
        for entry in list_folder("s3://sizes"):
            print(entry.name, [read_bytes(entry.location, at_most=size) for size in (None, 2, 100)])
    """
    ended = run(sys.executable, "-c", code, folder=tmp_path, variables=s3)
    assert ended.stdout.splitlines() == ["a.wav [b'', b'', b'']", "b #1?.wav [b'abc', b'ab', b'abc']"], ended.seen


def test_workers_read_a_corpus_from_a_web_server(tmp_path: Path, corpus_dir: Path) -> None:
    (tmp_path / "web" / "Crema").mkdir(parents=True)
    for path in clips_of(corpus_dir):
        os.link(path, tmp_path / "web" / "Crema" / path.name)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        ended = extract(f"http://127.0.0.1:{server.server_address[1]}", tmp_path)
        server.shutdown()
        thread.join()
    assert ended.code == 0, ended.seen
    assert ": 40 computed, 0 were there" in ended.stdout
    check_stored(clips_of(corpus_dir), tmp_path / "store")
