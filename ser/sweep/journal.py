"""The append-only truth of a sweep.

One line of JSON an event, each with its checksum, written and fsynced before anything else hears of it. What a sweep
knows (its trials, their reports, how they ended) is what replaying the file gives: resuming, the leaderboard and the
MLflow writer all read the same lines. Knows neither Ray nor MLflow.
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
"""Its name in the folder of a sweep."""

# The stages of a sweep; an ablation is one of its own.
SEARCH, FINAL, ABLATION = "search", "final", "ablation"

BASELINE = "baseline"
"""The variant of an ablation that changes nothing."""

_ROOM = 2**20


class JournalError(UserError):
    """A journal that cannot be used; the message says why and what to do."""


@dataclass(frozen=True, order=True)
class TrialKey:
    """What names a trial, whatever process runs it: everything else that names it derives from this."""

    sweep: str
    cell: str
    number: int

    def __str__(self) -> str:
        return f"{self.sweep}/{self.cell}/{self.number:03d}"

    @property
    def short(self) -> str:
        """Its name within the sweep."""
        return f"{self.cell} {self.number:03d}"


@dataclass(frozen=True)
class Started:
    """A driver took up the sweep: for the first time, or again."""

    kind: ClassVar[str] = "started"
    sweep: str
    plan: dict[str, Any]
    facts: dict[str, Any]
    time_s: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Asked:
    """A trial was asked for: all its settings, which of them were searched, and the variant of an ablation."""

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
    """A trial finished an epoch, after `seconds` of training and evaluation; what it is worth on validation clips."""

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
    """A trial ended: `completed`, `pruned`, `failed`, or `killed` (which a resumed sweep takes up again)."""

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
    """The driver let go of the sweep: `finished`; `budget` (its time was spent) or `killed` when it can be resumed."""

    kind: ClassVar[str] = "closed"
    outcome: str
    time_s: float = field(default_factory=time.time)


Event = Started | Asked | Reported | Ended | Closed
_KINDS: dict[str, type[Event]] = {kind.kind: kind for kind in (Started, Asked, Reported, Ended, Closed)}


class Journal:
    """The journal file, open for appending by one driver at a time.

    Raises:
        JournalError: it cannot be opened, another process holds it, or a line in its middle is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise JournalError(
                f"{path} cannot be opened for writing ({error.strerror}): check the folder, or choose another --home"
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise JournalError(
                f"{path} is held by another process: this sweep is running already. "
                "Wait for it, end it, or choose another --name"
            ) from None
        try:
            self._cut_torn_end()
        except JournalError:
            self._file.close()
            raise

    def append(self, event: Event) -> None:
        """Write one event and wait until it is on the disk.

        Raises:
            JournalError: the disk does not take it.
        """
        end = self._file.seek(0, os.SEEK_END)
        try:
            line = _encode(event)
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError as error:
            os.ftruncate(self._file.fileno(), end)
            raise JournalError(self._unwritable(error.strerror)) from error

    def check_room(self) -> None:
        """Refuse to go on where its disk is full; checkpoints lie on it too.

        Raises:
            JournalError: less than a mebibyte is free.
        """
        disk = os.statvfs(self.path.parent)
        if disk.f_bavail * disk.f_frsize < _ROOM:
            raise JournalError(self._unwritable(os.strerror(errno.ENOSPC)))

    def _unwritable(self, reason: str | None) -> str:
        return (
            f"{self.path} cannot be written ({reason}): free some space, then run the same command with --resume; "
            "everything before this moment is kept"
        )

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _cut_torn_end(self) -> None:
        """Drop a last line that a killed driver left unfinished: nobody has heard of it."""
        whole = sum(size for size, _ in _lines(self.path, 0))
        os.ftruncate(self._file.fileno(), whole)


def read_events(path: Path, offset: int = 0) -> Iterator[tuple[int, Event]]:
    """The events after byte `offset`, each with the offset of the next; an unfinished last line is left alone.

    Raises:
        JournalError: a line that is not the end is damaged, or is of an event unknown to this version.
    """
    for size, event in _lines(path, offset):
        offset += size
        yield offset, event


@contextmanager
def lock_out_drivers(path: Path) -> Iterator[bool]:
    """Let no driver take up the journal while the block runs; False where one has it already."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _lines(path: Path, offset: int) -> Iterator[tuple[int, Event]]:
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
    checksum, _, body = line.partition(b" ")
    if not body.endswith(b"\n") or checksum != f"{zlib.crc32(body[:-1]):08x}".encode():
        return None
    values = json.loads(body)
    try:
        return _KINDS[values.pop("kind")](**values)
    except (KeyError, TypeError) as error:
        raise JournalError(f"the journal was written by another version of ser ({error})", "use that version") from None
