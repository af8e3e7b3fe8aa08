"""Listing and reading: a local folder, memory, and an HTTP server's listing give the same."""

import http.server
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import fsspec
import pytest

from ser.corpora.base import CorpusError
from ser.corpora.cremad import CremaD
from ser.corpora.locations import (
    Entry,
    can_find,
    exists,
    get_name,
    is_remote,
    list_folder,
    read_bytes,
    resolve_location,
)

FILES = ("AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1002_DFA_SAD_XX.WAV", "AudioWAV/take 2.wav", "notes.txt")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def local(tmp_path: Path) -> str:
    for name in FILES:
        (tmp_path / "corpus" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "corpus" / name).write_bytes(name.encode())
    return str(tmp_path / "corpus")


@pytest.fixture
def memory() -> Iterator[str]:
    storage = fsspec.filesystem("memory")
    for name in FILES:
        storage.pipe_file(f"/corpus/{name}", name.encode())
    yield "memory://corpus"
    storage.rm("/corpus", recursive=True)


@pytest.fixture
def web(local: str) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=local)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(params=["local", "memory", "web"])
def place(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def test_a_folder_is_listed_in_order_of_name(place: str) -> None:
    found = [(entry.name, entry.kind) for entry in list_folder(place)]
    assert found == [("AudioWAV", "folder"), ("notes.txt", "file")]
    (folder, _) = list_folder(place)
    assert [entry.name for entry in list_folder(folder.location)] == [name.split("/")[1] for name in FILES[:3]]


def test_files_are_read_whole_or_from_their_start(place: str) -> None:
    (folder, notes) = list_folder(place)
    assert (read_bytes(notes.location), read_bytes(notes.location, at_most=3)) == (b"notes.txt", b"not")
    assert [read_bytes(entry.location).decode() for entry in list_folder(folder.location)] == list(FILES[:3])


def test_what_is_not_there_is_said_with_its_place(place: str) -> None:
    with pytest.raises(FileNotFoundError, match="No such file") as missing:
        read_bytes(f"{place}/none.wav")
    assert missing.value.filename == f"{place}/none.wav"
    assert missing.value.strerror == "No such file or directory"
    with pytest.raises(FileNotFoundError):
        list_folder(f"{place}/nowhere")
    assert (exists(f"{place}/notes.txt"), exists(f"{place}/none.wav")) == (True, False)
    assert (can_find(f"{place}/notes.txt"), can_find(f"{place}/none.wav")) == (True, False)


def test_what_its_storage_does_not_say_is_not_found() -> None:
    with pytest.raises(OSError, match="Protocol not known"):
        exists("carrier-pigeon://loft/SYNTHETIC.json")
    assert not can_find("carrier-pigeon://loft/SYNTHETIC.json")


def test_what_a_file_url_names_is_local(local: str) -> None:
    place = f"file://{local}"
    assert not is_remote(place)
    assert [entry.name for entry in list_folder(place)] == ["AudioWAV", "notes.txt"]
    assert read_bytes(f"{place}/notes.txt", at_most=3) == b"not"
    assert (exists(f"{place}/notes.txt"), exists(f"{place}/none.wav")) == (True, False)
    assert CremaD().scan(place) == CremaD().scan(local)


def test_clips_are_found_wherever_they_lie(place: str) -> None:
    scan = CremaD().scan(f"{place}/")
    assert [clip.name for clip in scan.clips] == ["1001_DFA_ANG_XX", "1002_DFA_SAD_XX"]
    assert scan.misnamed == ("take 2.wav",)
    assert [read_bytes(clip.location).decode() for clip in scan.clips] == list(FILES[:2])
    with pytest.raises(CorpusError, match="nowhere is not a folder: give the folder that holds AudioWAV"):
        CremaD().scan(f"{place}/nowhere")


def test_a_new_file_is_seen_by_the_next_listing(memory: str) -> None:
    before = list_folder(memory)
    fsspec.filesystem("memory").pipe_file("/corpus/zoo.txt", b"")
    assert [entry.name for entry in list_folder(memory)] == [*(entry.name for entry in before), "zoo.txt"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1/corpus", r"cannot be read \(.*: Cannot connect"),
        ("carrier-pigeon://loft", r"cannot be read \(ValueError: Protocol not known: carrier-pigeon\)"),
    ],
)
def test_a_storage_that_does_not_answer_is_refused_with_its_reason(url: str, reason: str) -> None:
    with pytest.raises(CorpusError, match=f"{url} {reason}.*: check address, credentials and network, or give another"):
        CremaD().scan(url)


def test_forms_of_a_location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        resolve_location("data")
        == resolve_location(Path("data"))
        == resolve_location(f"file://{tmp_path}/data/")
        == f"{tmp_path}/data"
    )
    assert resolve_location("s3://bucket/data/") == "s3://bucket/data"
    assert [is_remote(place) for place in ("s3://b", "data", Path("a:/b"))] == [True, False, False]
    assert get_name("http://host/take%202.wav") == "take 2.wav"
    assert get_name("/data/take%202.wav") == "take%202.wav"


def test_what_is_neither_file_nor_folder_has_another_kind(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere")
    assert [entry.kind for entry in list_folder(tmp_path)] == ["other", "other"]
    assert list_folder(tmp_path)[0] == Entry("gone.wav", str(tmp_path / "gone.wav"), "other")


def test_what_is_named_like_a_clip_and_is_none_is_listed(tmp_path: Path) -> None:
    (tmp_path / "1001_DFA_ANG_XX.wav").write_bytes(b"")
    (tmp_path / "1001_DFA_SAD_XX.wav").mkdir()
    (tmp_path / "x.wav").mkdir()
    os.mkfifo(tmp_path / "1001_DFA_FEA_XX.wav")
    scan = CremaD().scan(tmp_path)
    assert [clip.name for clip in scan.clips] == ["1001_DFA_ANG_XX"]
    assert dict(scan.excluded) == {
        "named like a sound file, but none": ("1001_DFA_FEA_XX.wav", "1001_DFA_SAD_XX.wav", "x.wav")
    }
    assert scan.misnamed == ()


def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "AudioWAV").mkdir(mode=0)
    before = os.geteuid()
    try:
        if before == 0:  # root may read everything
            os.seteuid(65_534)
        with pytest.raises(CorpusError, match=r"cannot be read \(Permission denied\): mend its permissions"):
            CremaD().scan(tmp_path)
    finally:
        os.seteuid(before)
