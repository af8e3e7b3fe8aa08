"""The journal: what is appended is there, whatever happens to the process, the file or the disk."""

import json
import os
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from ser.sweep.journal import (
    Asked,
    Closed,
    Ended,
    Event,
    Journal,
    JournalError,
    Reported,
    Started,
    TrialKey,
    read_events,
)

EVENTS: list[Event] = [
    Started("s", {"cells": ["lenet5-1d"], "seed": 0}, {"git": "abc", "n": 3}, time_s=1.5),
    Asked("lenet5-1d", 0, {"training.lr": 1e-3, "model.norm": "none", "x": True}, {"training.lr": 1e-3}, time_s=2.25),
    Reported("lenet5-1d", 0, 1, {"val_uar": 1 / 3, "val_loss": 1e-17}, [[3, 1], [0, 2]], False, time_s=3.0),
    Ended("lenet5-1d", 0, "failed", reason='"quotes"\nand a new line, 日本語', traceback="x" * 5000, time_s=4.0),
    Closed("killed", time_s=5.0),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sweeps" / "s" / "journal.jsonl"


def write(path: Path, events: list[Event]) -> bytes:
    journal = Journal(path)
    for event in events:
        journal.append(event)
    journal.close()
    return path.read_bytes()


def read(path: Path, offset: int = 0) -> list[Event]:
    return [event for _, event in read_events(path, offset)]


def test_what_is_appended_is_read_back(path):
    write(path, EVENTS)
    assert read(path) == EVENTS


def test_a_second_driver_appends_behind_the_first(path):
    first = write(path, EVENTS[:2])
    assert write(path, EVENTS[2:]).startswith(first)
    assert read(path) == EVENTS


def test_an_event_is_in_the_file_when_append_returns(path):
    journal = Journal(path)
    for n, event in enumerate(EVENTS, start=1):
        journal.append(event)
        assert read(path) == EVENTS[:n]
    journal.close()


def test_each_line_is_json_behind_its_checksum(path):
    for line, event in zip(write(path, EVENTS).splitlines(), EVENTS, strict=True):
        checksum, body = line.split(b" ", 1)
        assert int(checksum, 16) == zlib.crc32(body)
        assert json.loads(body)["kind"] == event.kind


def test_reading_goes_on_from_any_offset(path):
    size = len(write(path, EVENTS))
    offsets = [offset for offset, _ in read_events(path)]
    assert offsets[-1] == size
    for n, offset in enumerate(offsets, start=1):
        assert read(path, offset) == EVENTS[n:]


def test_events_carry_the_time_they_are_made():
    first, second = Closed("killed"), Closed("killed")
    assert 0 <= second.time_s - first.time_s < 60


def test_a_line_torn_at_any_byte_is_left_alone_by_readers_and_cut_by_the_next_driver(path):
    whole = write(path, EVENTS)
    last = len(write(path.with_name("other"), EVENTS[:2]))
    end = len(write(path.with_name("third"), EVENTS[:3]))
    for size in range(last + 1, end):
        path.write_bytes(whole[:size])
        assert read(path) == EVENTS[:2]
        assert path.stat().st_size == size
        Journal(path).close()
        assert path.stat().st_size == last
    assert write(path, EVENTS[2:]) == whole


def test_a_last_line_of_rubbish_is_cut(path):
    kept = write(path, EVENTS[:3])
    path.write_bytes(kept + b"\0" * 700)
    Journal(path).close()
    assert path.read_bytes() == kept


def test_any_damaged_byte_before_the_end_is_named_and_nothing_is_lost(path):
    whole = write(path, EVENTS)
    first = whole.index(b"\n")
    for at in range(0, first, 7):
        damaged = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        path.write_bytes(damaged)
        with pytest.raises(JournalError, match=r"journal.jsonl is damaged at byte 0 .*: restore a copy of it"):
            read(path)
        with pytest.raises(JournalError, match="damaged at byte 0"):
            Journal(path)
        assert path.read_bytes() == damaged


def test_damage_further_on_is_named_by_its_byte(path):
    whole = write(path, EVENTS)
    third = len(write(path.with_name("other"), EVENTS[:2]))
    path.write_bytes(whole[:third] + b"x" + whole[third + 1 :])
    with pytest.raises(JournalError, match=f"damaged at byte {third}"):
        read(path)


def test_a_damaged_journal_is_let_go(path):
    whole = write(path, EVENTS)
    path.write_bytes(b"x" + whole)
    with pytest.raises(JournalError, match="damaged"):
        Journal(path)
    path.write_bytes(whole)
    Journal(path).close()


@pytest.mark.parametrize("body", ['{"kind":"paused","cell":"a"}', '{"kind":"closed","outcome":"killed","mood":"bad"}'])
def test_an_event_of_another_version_is_named_and_kept(path, body):
    line = f"{zlib.crc32(body.encode()):08x} {body}\n".encode()
    whole = write(path, EVENTS[:2]) + line
    path.write_bytes(whole)
    with pytest.raises(JournalError, match="written by another version of ser"):
        Journal(path)
    assert path.read_bytes() == whole


def test_a_second_opener_is_refused_until_the_first_lets_go(path):
    first = Journal(path)
    with pytest.raises(JournalError, match="is held by another process, this sweep is running already"):
        Journal(path)
    first.append(EVENTS[0])
    first.close()
    Journal(path).close()
    assert read(path) == EVENTS[:1]


HOLD = """
import sys, time
from pathlib import Path
from ser.sweep.journal import Closed, Journal
journal = Journal(Path(sys.argv[1]))
for n in range(int(sys.argv[2])):
    journal.append(Closed("killed", time_s=n))
print("there", flush=True)
time.sleep(60)
"""


def test_a_killed_driver_holds_nothing_and_loses_nothing(path):
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path), "5"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        with pytest.raises(JournalError, match="held by another process"):
            Journal(path)
        process.send_signal(signal.SIGKILL)
    Journal(path).close()
    assert read(path) == [Closed("killed", time_s=n) for n in range(5)]


# RLIMIT_FSIZE is what a full disk looks like to one process: the write that crosses it is cut short, the next fails.
FILL = """
import resource, sys
from pathlib import Path
from ser.sweep.journal import Closed, Ended, Journal, JournalError
journal = Journal(Path(sys.argv[1]))
n = 0
try:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    while True:
        journal.append(Ended("a", n, "completed", time_s=n))
        n += 1
except JournalError as error:
    print(error)
for _ in range(2):
    try:
        journal.append(Ended("a", n, "completed", time_s=n))
        raise SystemExit("the full disk took it")
    except JournalError:
        pass
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append(Closed("killed", time_s=1))
print(n)
"""


@pytest.mark.parametrize("limit", [1000, 1037, 1111])
def test_a_full_disk_is_named_and_what_was_there_stays(path, limit):
    run = subprocess.run(
        [sys.executable, "-c", FILL, str(path), str(limit)], capture_output=True, text=True, check=True
    )
    message, n = run.stdout.splitlines()
    assert "journal.jsonl cannot be written (" in message
    assert "free some space, then run the same command with --resume" in message
    kept = [Ended("a", i, "completed", time_s=i) for i in range(int(n))]
    assert len(kept) > 2
    assert read(path) == [*kept, Closed("killed", time_s=1)]


def test_keys_sort_by_cell_and_number_and_name_themselves():
    keys = [TrialKey("s", "b", 2), TrialKey("s", "a", 10), TrialKey("s", "a", 9)]
    assert [str(key) for key in sorted(keys)] == ["s/a/009", "s/a/010", "s/b/002"]


def test_the_folder_is_made(path):
    assert not path.parent.exists()
    Journal(path).close()
    assert path.read_bytes() == b""
    assert os.access(path, os.W_OK)
