"""Journal of a sweep: an append-only log of events, the source of truth.

Each event is one line of JSON with its checksum, written and fsynced before any other code acts on it. Replaying the
file gives the state of the sweep (its trials, their reports, how they ended): resuming, the leaderboard and the MLflow
writer all read the same lines. Imports neither Ray nor MLflow.
"""

import errno
import fcntl
import json
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from ser.errors import UserError
from ser.settings.ranges import Value

JOURNAL = "journal.jsonl"
"""Name of the journal in the folder of a sweep."""

# The stages of a sweep; an ablation has no other stage.
SEARCH, FINAL, ABLATION = "search", "final", "ablation"

BASELINE = "baseline"
"""Name of the ablation's variant that changes nothing."""

_MIN_FREE_BYTES = 2**20


class JournalError(UserError):
    """A journal that is missing, damaged, held by another process, or cannot be written."""


@dataclass(frozen=True, order=True)
class TrialKey:
    """Key of a trial, independent of the process that runs it; all other names of the trial derive from it."""

    sweep: str
    cell: str
    number: int

    def __str__(self) -> str:
        return f"{self.sweep}/{self.cell}/{self.number:03d}"

    @property
    def short(self) -> str:
        """Name of the trial within its sweep, such as 'vgg16-2d 003'."""
        return f"{self.cell} {self.number:03d}"


@dataclass(frozen=True)
class Started:
    """A driver process started or resumed the sweep, with this plan and these facts."""

    kind: ClassVar[str] = "started"
    sweep: str
    plan: dict[str, Any]
    facts: dict[str, Any]
    time_s: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Asked:
    """A trial begins: all its settings, those that were searched, its stage, and the variant of an ablation."""

    kind: ClassVar[str] = "asked"
    cell: str
    number: int
    values: dict[str, Value]
    searched: dict[str, Value]
    stage: str = SEARCH
    variant: str = ""
    time_s: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Reported:
    """A trial finished an epoch, after `seconds` of training and evaluation, with metrics of the validation clips."""

    kind: ClassVar[str] = "reported"
    cell: str
    number: int
    epoch: int
    metrics: dict[str, float]
    confusion: list[list[int]]
    last: bool
    seconds: float = 0.0
    time_s: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Ended:
    """A trial ended: `completed`, `pruned`, `failed`, or `killed` (which a resumed sweep continues)."""

    kind: ClassVar[str] = "ended"
    cell: str
    number: int
    outcome: str
    reason: str = ""
    traceback: str = ""
    bundle: str = ""
    test: dict[str, Any] = field(default_factory=dict)
    time_s: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Closed:
    """The driver process closed the sweep: `finished`, or resumable: `budget` (time is spent) or `killed`."""

    kind: ClassVar[str] = "closed"
    outcome: str
    time_s: float = field(default_factory=time.time)


Event = Started | Asked | Reported | Ended | Closed
_KINDS: dict[str, type[Event]] = {kind.kind: kind for kind in (Started, Asked, Reported, Ended, Closed)}


class Journal:
    """Journal file, open for appending by one driver process at a time.

    Args:
        path: path of the file; it and its folder are made if they do not exist.

    Raises:
        JournalError: the file cannot be opened, another process holds it, or a line in its middle is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise JournalError(
                f"{path} cannot be opened for writing ({error.strerror})", "check the folder, or choose another --home"
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise JournalError(
                f"{path} is held by another process, this sweep is running already",
                "wait for it, end it, or choose another --name",
            ) from None
        try:
            self._cut_torn_line()
        except JournalError:
            self._file.close()
            raise

    def append(self, event: Event) -> None:
        """Write one event and wait until it is on the disk.

        Raises:
            JournalError: the event cannot be written; the file keeps its old length.
        """
        end = self._file.seek(0, os.SEEK_END)
        try:
            line = _encode(event)
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError as error:
            os.ftruncate(self._file.fileno(), end)
            raise self._write_error(error.strerror) from error

    def check_room(self) -> None:
        """Refuse to continue where the disk is full, which holds the checkpoints too.

        Raises:
            JournalError: less than a mebibyte is free.
        """
        disk = os.statvfs(self.path.parent)
        if disk.f_bavail * disk.f_frsize < _MIN_FREE_BYTES:
            raise self._write_error(os.strerror(errno.ENOSPC))

    def _write_error(self, reason: str | None) -> JournalError:
        return JournalError(
            f"{self.path} cannot be written ({reason}), everything before this moment is kept",
            "free some space, then run the same command with --resume",
        )

    def close(self) -> None:
        """Close the file, so that another process can open it."""
        self._file.close()

    def _cut_torn_line(self) -> None:
        """Remove a last line that a killed driver process left unfinished; nothing has acted on it yet."""
        n_bytes = sum(size for size, _ in _read_lines(self.path, 0))
        os.ftruncate(self._file.fileno(), n_bytes)


def read_events(path: Path, offset: int = 0) -> Iterator[tuple[int, Event]]:
    """Read the events after byte `offset`, each with the offset of the next one.

    An unfinished last line is ignored, because its driver process may still be writing it.

    Raises:
        JournalError: a line other than the last is damaged, or is an event unknown to this version.
    """
    for size, event in _read_lines(path, offset):
        offset += size
        yield offset, event


@contextmanager
def lock_out_drivers(path: Path) -> Iterator[bool]:
    """Keep driver processes from opening the journal while the block runs; yields False where one has opened it."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _read_lines(path: Path, offset: int) -> Iterator[tuple[int, Event]]:
    """Read whole lines after byte `offset`: the length of each in bytes, and its event."""
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            event = _decode(line)
            if event is None:
                if file.read(1):
                    raise JournalError(f"{path} is damaged at byte {offset} ({line[:60]!r})", "restore a copy of it")
                return
            offset += len(line)
            yield len(line), event


def _encode(event: Event) -> bytes:
    body = json.dumps({"kind": event.kind, **asdict(event)}, separators=(",", ":"))
    return f"{zlib.crc32(body.encode()):08x} {body}\n".encode()


def _decode(line: bytes) -> Event | None:
    """Decode a line; None where it is torn or its checksum is wrong."""
    checksum, _, body = line.partition(b" ")
    if not body.endswith(b"\n") or checksum != f"{zlib.crc32(body[:-1]):08x}".encode():
        return None
    values = json.loads(body)
    try:
        return _KINDS[values.pop("kind")](**values)
    except (KeyError, TypeError) as error:
        raise JournalError(f"the journal was written by another version of ser ({error})", "use that version") from None
