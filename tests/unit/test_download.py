"""The download of CREMA-D from a server that does everything wrong that servers do."""

import fcntl
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ser.corpora.base import CorpusError
from ser.corpora.cremad import CremaD
from ser.corpora.download.cremad import Addresses, DownloadProgress, download
from ser.corpora.download.http_files import RetryPolicy
from tests.support.fake_github import TABLES, Publisher, clips_in, pointer_of, published

IMPATIENT = RetryPolicy(n_tries=4, backoff_s=0.01, longest_wait_s=5, connect_s=2, read_s=1)
CLIPS = {
    f"{speaker}_{sentence}_{code}_XX": random.Random(f"{speaker}{sentence}{code}").randbytes(200_000)
    for speaker in (1001, 1002)
    for sentence in ("DFA", "TIE")
    for code in ("ANG", "NEU", "SAD")
}
FIRST, SECOND = (f"/media/AudioWAV/{name}.wav" for name in list(CLIPS)[:2])


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with published(CLIPS) as server:
        yield server


def fetch(folder: Path, publisher: Publisher, policy: RetryPolicy = IMPATIENT, n_threads: int = 4) -> DownloadProgress:
    addresses = Addresses.parse(publisher.addresses)
    return download(folder, addresses, on_progress=lambda _: None, policy=policy, n_threads=n_threads)


def is_whole(folder: Path) -> bool:
    """All clips, no remains; the tables beside them."""
    names = {path.name for path in (folder / "AudioWAV").iterdir()}
    tables = {Path(name).name: text for name, text in TABLES.items()}
    return (
        clips_in(folder / "AudioWAV") == CLIPS
        and names == {f"{name}.wav" for name in CLIPS}
        and all((folder / name).read_text() == text for name, text in tables.items())
    )


def test_all_clips_and_tables_come_and_are_a_corpus(tmp_path: Path, publisher: Publisher) -> None:
    seen: list[DownloadProgress] = []
    tally = download(tmp_path / "cremad", Addresses.parse(publisher.addresses), on_progress=seen.append)
    assert is_whole(tmp_path / "cremad")
    assert tally == seen[-1] == DownloadProgress(12, n_fetched=12, n_bytes=12 * 200_000)
    assert [one.n_done for one in seen] == list(range(1, 13))
    assert len(CremaD().scan(tmp_path / "cremad").clips) == 12


def test_what_is_whole_is_kept_and_nothing_is_asked_for_again(tmp_path: Path, publisher: Publisher) -> None:
    fetch(tmp_path, publisher)
    publisher.asked.clear()
    assert fetch(tmp_path, publisher) == DownloadProgress(12, n_kept=12)
    assert not publisher.asked
    damaged, gone, *_ = sorted((tmp_path / "AudioWAV").iterdir())
    damaged.write_bytes(b"x" * 200_000)
    gone.unlink()
    assert fetch(tmp_path, publisher) == DownloadProgress(12, n_kept=10, n_fetched=2, n_bytes=400_000)
    assert set(publisher.asked) == {FIRST, SECOND}
    assert is_whole(tmp_path)


def test_clips_that_came_by_other_ways_are_kept(tmp_path: Path, publisher: Publisher) -> None:
    (tmp_path / "AudioWAV").mkdir()
    for name, data in CLIPS.items():
        (tmp_path / "AudioWAV" / f"{name}.wav").write_bytes(data)
    assert fetch(tmp_path, publisher) == DownloadProgress(12, n_kept=12)
    assert not any(path.startswith("/media") for path in publisher.asked)


def test_pointers_instead_of_sound_are_replaced_by_it(tmp_path: Path, publisher: Publisher) -> None:
    (tmp_path / "AudioWAV").mkdir()
    for name, data in CLIPS.items():
        (tmp_path / "AudioWAV" / f"{name}.wav").write_bytes(pointer_of(data))
    assert fetch(tmp_path, publisher).n_fetched == 12
    assert is_whole(tmp_path)


def test_a_connection_that_drops_is_made_again(tmp_path: Path, publisher: Publisher) -> None:
    publisher.faults[FIRST] = ["drop"] * 3
    tally = fetch(tmp_path, publisher)
    assert (tally, is_whole(tmp_path)) == (DownloadProgress(12, n_fetched=12, n_bytes=12 * 200_000), True)
    assert publisher.asked[FIRST] == 4


def test_a_file_damaged_once_is_fetched_again(tmp_path: Path, publisher: Publisher) -> None:
    publisher.faults[FIRST] = ["damaged"]
    assert fetch(tmp_path, publisher).n_fetched == 12
    assert (publisher.asked[FIRST], is_whole(tmp_path)) == (2, True)


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        (["damaged"], "its bytes do not have the checksum of its LFS pointer"),
        (["endless"], "it has more than 200,000 bytes"),
        (["damaged", "drop"], "IncompleteRead(100000 bytes read, 100000 more expected)"),
    ],
)
def test_a_file_always_damaged_is_named_and_all_others_come(
    tmp_path: Path, publisher: Publisher, faults: list[str], reason: str
) -> None:
    publisher.faults[FIRST] = faults * 50
    started = time.monotonic()
    with pytest.raises(CorpusError, match="1 of 12 clips of CREMA-D are missing") as refused:
        fetch(tmp_path, publisher)
    assert time.monotonic() - started < 10  # four endless bodies that are not cut off take 20 s
    assert f"{FIRST}: {reason}, 4 times" in str(refused.value)
    assert "run the same command again, fetched files are kept" in str(refused.value)
    assert clips_in(tmp_path / "AudioWAV") == {name: CLIPS[name] for name in list(CLIPS)[1:]}
    publisher.faults.clear()
    assert fetch(tmp_path, publisher).n_kept == 11
    assert is_whole(tmp_path)


def test_the_server_s_wish_to_wait_is_respected(tmp_path: Path, publisher: Publisher) -> None:
    publisher.faults["/raw/SentenceFilenames.csv"] = ["busy"]
    publisher.faults[FIRST] = ["busy"]
    started = time.monotonic()
    fetch(tmp_path, publisher)
    assert 2.0 <= time.monotonic() - started < 10
    assert is_whole(tmp_path)
    assert sum(publisher.asked.values()) == 3 + 12 + 12 + 2


def test_a_wish_to_wait_too_long_ends_it(tmp_path: Path, publisher: Publisher) -> None:
    publisher.retry_after_s = 3600
    publisher.faults["/raw/SentenceFilenames.csv"] = ["busy"]
    with pytest.raises(
        CorpusError, match=r"answers 429 Too Many Requests and requests a wait of 3600 s.: check network"
    ):
        fetch(tmp_path, publisher)


@pytest.mark.parametrize("fault", ["error", "hang"])
def test_errors_and_silence_pass(tmp_path: Path, publisher: Publisher, fault: str) -> None:
    publisher.faults[FIRST] = [fault, fault]
    fetch(tmp_path, publisher)
    assert is_whole(tmp_path)


def test_temporary_files_of_a_killed_download_are_no_clips_and_are_removed(
    tmp_path: Path, publisher: Publisher
) -> None:
    (tmp_path / "AudioWAV").mkdir()
    for name, data in list(CLIPS.items())[:3]:
        leave_unfinished(tmp_path / "AudioWAV" / f"{name}.wav", data[:150_000])
    leave_unfinished(tmp_path / "summaryTable.csv", b"cut off")
    own = tmp_path / "AudioWAV" / ".notes.part"
    own.write_text("not of a download")
    with pytest.raises(CorpusError, match="holds no WAV or FLAC file"):
        CremaD().scan(tmp_path)
    assert fetch(tmp_path, publisher).n_fetched == 12
    assert own.exists()
    own.unlink()
    assert is_whole(tmp_path)
    assert list(tmp_path.glob(".*.part")) == []
    assert publisher.asked[FIRST] == 1


def leave_unfinished(path: Path, data: bytes) -> None:
    """Write a file in a process that dies before it has finished."""
    code = (
        "import os, sys; from pathlib import Path; from ser.files import replace_file\n"
        "with replace_file(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(sys.stdin.buffer.read())\n"
        "    os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], input=data, check=False).returncode == 9
    assert not path.exists()


def test_torn_pointers_and_tables_are_asked_for_again(tmp_path: Path, publisher: Publisher) -> None:
    fetch(tmp_path, publisher)
    pointers = tmp_path / ".lfs-pointers"
    pointers.write_bytes(pointers.read_bytes()[:-20])
    (tmp_path / "summaryTable.csv").write_text("")
    publisher.asked.clear()
    fetch(tmp_path, publisher)
    assert sorted(publisher.asked.values()) == [1, 1]
    assert len(pointers.read_text().splitlines()) == 13
    publisher.asked.clear()
    fetch(tmp_path, publisher)
    assert (is_whole(tmp_path), dict(publisher.asked)) == (True, {})


@pytest.mark.parametrize(("listed", "there"), [("X", "XX"), ("XX", "X")])
def test_the_misspelt_clip_is_found_under_either_name(tmp_path: Path, listed: str, there: str) -> None:
    clip = f"1040_ITH_SAD_{there}"
    with published({clip: b"sound"}, listed=[f"1040_ITH_SAD_{listed}"]) as publisher:
        assert fetch(tmp_path, publisher).n_fetched == 1
        assert clips_in(tmp_path / "AudioWAV") == {clip: b"sound"}
        assert fetch(tmp_path, publisher).n_kept == 1


def test_a_list_of_other_things_is_refused(tmp_path: Path) -> None:
    with (
        published({}, listed=["../../etc/passwd"]) as publisher,
        pytest.raises(CorpusError, match=r"does not list clips of CREMA-D \(../../etc/passwd\)"),
    ):
        fetch(tmp_path, publisher)


def test_something_else_than_a_pointer_is_refused(tmp_path: Path, publisher: Publisher) -> None:
    publisher.files[FIRST.replace("media", "raw")] = b"<html>Sign in</html>"
    with pytest.raises(CorpusError, match=r"1 of 12 clips of CREMA-D are missing .*wav is not an LFS pointer"):
        fetch(tmp_path, publisher)


@pytest.mark.parametrize("kept_before", [False, True])
def test_a_pointer_to_more_than_a_clip_may_hold_is_refused(
    tmp_path: Path, publisher: Publisher, kept_before: bool
) -> None:
    raw = FIRST.replace("media", "raw")
    name, digest = Path(raw).stem, "0" * 64
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {600 * 2**20}\n"
    good, publisher.files[raw] = publisher.files[raw], pointer.encode()
    if kept_before:
        (tmp_path / ".lfs-pointers").write_text(f"{name} {digest} {600 * 2**20}\n")
    with pytest.raises(
        CorpusError, match=r"1 of 12 clips .*wav points to 629 MB, a clip has at most 100 MB\)"
    ) as refused:
        fetch(tmp_path, publisher)
    assert "\n" not in str(refused.value)
    assert publisher.asked[FIRST] == 0
    publisher.files[raw] = good
    assert fetch(tmp_path, publisher).n_fetched == 1
    assert is_whole(tmp_path)


def test_ctrl_c_ends_a_long_wait_and_keeps_what_came(tmp_path: Path, publisher: Publisher) -> None:
    publisher.retry_after_s = 60
    publisher.faults[FIRST] = ["busy"]

    def interrupt(tally: DownloadProgress) -> None:
        if tally.n_done == 11:
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        download(tmp_path, Addresses.parse(publisher.addresses), on_progress=interrupt)
    assert time.monotonic() - started < 10
    assert len(clips_in(tmp_path / "AudioWAV")) == 11
    assert fetch(tmp_path, publisher) == DownloadProgress(12, n_kept=11, n_fetched=1, n_bytes=200_000)


def test_a_server_without_clips_is_given_up_soon(tmp_path: Path, publisher: Publisher) -> None:
    for path in [path for path in publisher.files if path.startswith("/media")]:
        del publisher.files[path]
    with pytest.raises(CorpusError, match=r"12 of 12 clips of CREMA-D are missing .* answers 404 Not Found"):
        fetch(tmp_path, publisher, n_threads=1)
    assert sum(path.startswith("/media") for path in publisher.asked) == 10


def test_a_server_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"could not be fetched \(http://127.0.0.1:9/.*: .*refused, 4 times\): check"):
        download(tmp_path, Addresses("http://127.0.0.1:9", "http://127.0.0.1:9"), on_progress=print, policy=IMPATIENT)


def test_a_file_that_cannot_be_written_ends_it_and_what_is_there_is_kept(tmp_path: Path, publisher: Publisher) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, limits[1]))
    try:
        with pytest.raises(CorpusError, match=r"cannot be written \(File too large\): free some space or give another"):
            fetch(tmp_path, publisher)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert fetch(tmp_path, publisher).n_fetched == 12
    assert is_whole(tmp_path)


def test_two_downloads_into_one_folder_are_refused(tmp_path: Path, publisher: Publisher) -> None:
    with (tmp_path / ".lfs-pointers").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CorpusError, match=f"another process downloads into {tmp_path}: wait for it, or stop it"):
            fetch(tmp_path, publisher)
    assert fetch(tmp_path, publisher).n_fetched == 12
