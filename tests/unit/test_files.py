"""Atomic, durable writes: errors, concurrent writers, folders, and syncing to the disk."""

import errno
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from ser.files import replace_file, sync, write_text

N_PROCESSES, N_THREADS, N_WRITES = 4, 10, 100
WRITER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ser.files import replace_file

path, process = Path(sys.argv[1]), sys.argv[2]
n_threads, n_writes = map(int, sys.argv[3:])


def write(thread: int) -> list[str]:
    names = []
    for n in range(n_writes):
        with replace_file(path, durable=False) as temporary:
            assert not temporary.exists(), temporary
            names.append(temporary.name)
            temporary.write_text(f"{process} {thread} {n}\\n" * 200)
    return names


with ThreadPoolExecutor(n_threads) as threads:
    for names in threads.map(write, range(n_threads)):
        print(*names, sep="\\n")
"""


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files and folders that were synced, in order; each is synced in fact."""
    names: list[str] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        names.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    return names


def fail_within_the_block(path: Path, error: BaseException, *, text: str | None) -> None:
    with replace_file(path) as temporary:
        if text is not None:
            temporary.write_text(text)
        raise error


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_is_replaced_as_the_block_ends_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replace_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == tmp_path
    assert path.read_text() == "new"
    assert list_names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
def test_an_error_in_the_block_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error, match="in the block"):
        fail_within_the_block(path, error("in the block"), text="half of the n")
    assert path.read_text() == "old"
    assert list_names(tmp_path) == ["a.txt"]


def test_an_error_before_anything_is_written_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="in the block"):
        fail_within_the_block(tmp_path / "a.txt", ValueError("in the block"), text=None)
    assert list_names(tmp_path) == []


def test_a_file_that_cannot_be_synced_does_not_take_the_place_of_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.EIO, f"no sync of {descriptor}")

    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="no sync of"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list_names(tmp_path) == ["a.txt"]


def test_a_place_that_cannot_be_taken_leaves_no_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "a" / "full").mkdir(parents=True)
    with pytest.raises(OSError, match="a"):
        write_text(tmp_path / "a", "new")
    assert list_names(tmp_path) == ["a"]


def test_the_folder_is_created(tmp_path: Path) -> None:
    path = tmp_path / "one" / "two" / "a.txt"
    write_text(path, "new")
    assert path.read_text() == "new"
    assert list_names(path.parent) == ["a.txt"]


def test_text_is_utf_8_to_the_last_byte(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "Ärger\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\x84rger\n"


def test_a_durable_file_is_synced_before_its_folder(tmp_path: Path, synced: list[str]) -> None:
    with replace_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        assert synced == []
    assert synced == [temporary.name, tmp_path.name]


def test_a_file_that_need_not_be_durable_is_not_synced(tmp_path: Path, synced: list[str]) -> None:
    write_text(tmp_path / "a.txt", "new", durable=False)
    assert (tmp_path / "a.txt").read_text() == "new"
    assert synced == []


def test_files_and_folders_can_be_synced_and_keep_no_descriptor(tmp_path: Path, synced: list[str]) -> None:
    (tmp_path / "a.txt").write_text("new")
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    sync(tmp_path / "a.txt")
    sync(tmp_path)
    assert synced == ["a.txt", tmp_path.name]
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "missing")


def test_4000_writes_of_one_path_by_several_processes_have_names_of_their_own_and_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "written" / "a.txt"
    write_text(path, 200 * "0 0 0\n")
    seen = set()
    with ExitStack() as open_files_and_processes:
        processes = []
        for number in range(N_PROCESSES):
            names = open_files_and_processes.enter_context((tmp_path / f"{number}.txt").open("w"))
            words = [sys.executable, "-c", WRITER, path, number, N_THREADS, N_WRITES]
            process = subprocess.Popen([str(word) for word in words], stdout=names)
            processes.append(open_files_and_processes.enter_context(process))
        while any(process.poll() is None for process in processes):
            seen.add(read_whole(path))
    assert [process.returncode for process in processes] == [0] * N_PROCESSES
    temporary_names = [
        name for number in range(N_PROCESSES) for name in (tmp_path / f"{number}.txt").read_text().split()
    ]
    assert len(temporary_names) == len(set(temporary_names)) == 4_000
    assert len(seen) > 1
    assert int(read_whole(path).split()[2]) == N_WRITES - 1
    assert list_names(path.parent) == ["a.txt"]


def read_whole(path: Path) -> str:
    """The line that the file holds 200 times; anything else is not what a writer wrote."""
    text = path.read_text()
    line = text[: text.index("\n") + 1]
    assert text == 200 * line
    return line
