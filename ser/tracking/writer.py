"""The only writer of a sweep's runs in MLflow: a thread of the driver process that follows the journal.

The journal is the queue. A file beside it holds the position up to which it was sent, which advances only after the
tracker accepted the events. Every action may be repeated. A tracker that is slow, failing or unreachable therefore
costs only retries, and the next driver completes what a killed one left.
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
    """Background thread that sends a journal, from the position at which the last writer stopped.

    Args:
        path: of the journal.
        uri: of the tracker; a tracker other than the last one is sent the whole journal.
        connect: makes the tracker's `Runs`; it is retried when it fails.

    Attributes:
        problem: the last error in one line; '' after a success.
    """

    def __init__(self, path: Path, uri: str, connect: Callable[[], Runs]) -> None:
        self._path = path
        self._uri = uri
        self._cursor = path.with_suffix(_CURSOR)
        self._offset = self._read_offset()
        self._connect = connect
        self._is_tracker_checked = False
        self._sender = Sender(self._connect_and_check, _replay(path, self._offset), path)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="mlflow-writer", daemon=True)
        self.problem = ""

    def start(self) -> None:
        """Start to follow the journal."""
        self._thread.start()

    def finish(self, *, patience_s: float) -> bool:
        """Send the remaining events; return False after `patience_s` seconds of errors without progress."""
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
            except Exception as error:  # no error of the tracker may stop the training
                logger.debug("tracker", exc_info=True)
                self.problem = f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"
                wait_s, sent = min(2 * wait_s, _LONGEST_WAIT_S), -1
            if stopping and sent == 0:
                return
            if sent <= 0:
                time.sleep(min(wait_s, 1.0) if stopping else wait_s)

    def _send_new(self) -> int:
        if not self._is_tracker_checked:
            self._connect_and_check()
            self._is_tracker_checked = True
        n_sent = 0
        for offset, batch in _group_reports(read_events(self._path, self._offset)):
            self._sender.send(batch)
            self._offset = offset
            # Not durable: an outdated position only costs repeated requests.
            write_text(self._cursor, json.dumps({"uri": self._uri, "offset": offset}), durable=False)
            n_sent += len(batch)
        return n_sent

    def _connect_and_check(self) -> Runs:
        runs = self._connect()
        if self._offset and not runs.has(PARENT):
            self._offset, self._sender = 0, Sender(self._connect_and_check, SweepState(), self._path)
            raise LookupError("the tracker has no runs of this sweep: it is sent from the beginning")
        return runs

    def _read_offset(self) -> int:
        uri, offset = read_sent_position(self._path)
        return offset if uri == self._uri else 0


def read_sent_position(journal: Path) -> tuple[str, int]:
    """Read the tracker's address and the byte up to which a journal was sent to it; ('', 0) if it was not sent."""
    try:
        sent = json.loads(journal.with_suffix(_CURSOR).read_text())
        return str(sent["uri"]), int(sent["offset"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", 0


def _replay(path: Path, until: int) -> SweepState:
    record = SweepState()
    for offset, event in read_events(path):
        if offset > until:
            break
        record.apply(event)
    return record


def _group_reports(events: Iterable[tuple[int, Event]]) -> Iterator[tuple[int, list[Event]]]:
    """Group consecutive reports, every other event alone; each batch with the offset of its end."""
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
