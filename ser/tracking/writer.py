"""The one writer of MLflow: a thread beside the driver that follows the journal.

The journal is the spool. How far it has been sent stands in a file beside it, moved on only after the tracker took the
events; every action may be repeated without harm, so a tracker that is slow, failing or away costs a retry and nothing
else, and a driver killed at any moment leaves nothing that the next one does not complete.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ser.files import write_text
from ser.sweep.journal import Event, read_events
from ser.sweep.state import SweepState
from ser.tracking.runs import PARENT, Runs
from ser.tracking.sender import Sender

_POLL_S = 0.5
_LONGEST_WAIT_S = 20.0
_LARGEST_BATCH = 500
_CURSOR = ".sent"

logger = logging.getLogger(__name__)


class Writer:
    """Sends the journal at `path` in the background, from where the last writer stopped.

    Args:
        path: of the journal.
        uri: of the tracker; to another than before everything is sent from the beginning.
        connect: makes the tracker's `Runs`; may fail, and is then tried again.
    """

    def __init__(self, path: Path, uri: str, connect: Callable[[], Runs]) -> None:
        self._path = path
        self._uri = uri
        self._cursor = path.with_suffix(_CURSOR)
        self._offset = self._sent_before()
        self._connect = connect
        self._knows_tracker = False
        self._sender = Sender(self._connected, _replayed(path, self._offset), path)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="mlflow-writer", daemon=True)
        self.problem = ""

    def start(self) -> None:
        """Begin to follow the journal."""
        self._thread.start()

    def finish(self, *, patience_s: float) -> bool:
        """Send what is left; False if the tracker did not take all of it for `patience_s` without any progress."""
        self._stopping.set()
        last_offset, last_progress = self._offset, time.monotonic()
        while self._thread.is_alive():
            self._thread.join(0.2)
            if self._offset != last_offset:
                last_offset, last_progress = self._offset, time.monotonic()
            if self.problem and time.monotonic() - last_progress > patience_s:
                return False
        return True

    def _follow(self) -> None:
        wait_s = _POLL_S
        while True:
            stopping = self._stopping.is_set()
            try:
                sent = self._send_new()
                wait_s, self.problem = _POLL_S, ""
            except Exception as error:  # whatever the tracker does, training goes on
                logger.debug("tracker", exc_info=True)
                self.problem = f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"
                wait_s, sent = min(2 * wait_s, _LONGEST_WAIT_S), -1
            if stopping and sent == 0:
                return
            if sent <= 0:
                time.sleep(min(wait_s, 1.0) if stopping else wait_s)

    def _send_new(self) -> int:
        if not self._knows_tracker:
            self._connected()
            self._knows_tracker = True
        n_sent = 0
        for offset, batch in _batches(read_events(self._path, self._offset)):
            self._sender.send(batch)
            self._offset = offset
            # Not waited for: a position that is behind costs a request again, and nothing else.
            write_text(self._cursor, json.dumps({"uri": self._uri, "offset": offset}), durable=False)
            n_sent += len(batch)
        return n_sent

    def _connected(self) -> Runs:
        runs = self._connect()
        if self._offset and not runs.has(PARENT):
            self._offset, self._sender = 0, Sender(self._connected, SweepState(), self._path)
            raise LookupError("the tracker does not know this sweep: it is sent from the beginning")
        return runs

    def _sent_before(self) -> int:
        uri, offset = read_sent_position(self._path)
        return offset if uri == self._uri else 0


def read_sent_position(journal: Path) -> tuple[str, int]:
    """To which tracker, and up to which byte, the journal has been sent: ('', 0) where nothing was."""
    try:
        sent = json.loads(journal.with_suffix(_CURSOR).read_text())
        return str(sent["uri"]), int(sent["offset"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", 0


def _replayed(path: Path, until: int) -> SweepState:
    record = SweepState()
    for offset, event in read_events(path):
        if offset > until:
            break
        record.apply(event)
    return record


def _batches(events: Iterable[tuple[int, Event]]) -> Iterator[tuple[int, list[Event]]]:
    """Runs of reports together, every other event alone; each with the offset behind it."""
    batch: list[Event] = []
    end = 0
    for offset, event in events:
        joins = event.kind == "reported" and len(batch) < _LARGEST_BATCH
        if batch and not (joins and batch[-1].kind == "reported"):
            yield end, batch
            batch = []
        batch.append(event)
        end = offset
    if batch:
        yield end, batch
