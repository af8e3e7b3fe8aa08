"""Requests to a tracker that end in time, with an answer or a one-line error."""

import threading
from collections.abc import Callable
from typing import TypeVar

from ser.redaction import redact
from ser.tracking.client.tracker_error import TrackerError, describe_tracker_error

_LONGEST_S = 60.0

T = TypeVar("T")


def ask_tracker(uri: str, request: Callable[[], T], *, longest_s: float = _LONGEST_S) -> T:
    """Send a request to a tracker; MLflow itself retries for minutes when a database refuses the connection.

    A request that is given up continues in its thread, so it must only read from the tracker.

    Args:
        uri: of the tracker, for the error.
        request: sends the request and returns its answer.
        longest_s: time to wait for the answer.

    Raises:
        TrackerError: no answer in time, or an error instead of one.
    """
    answers: list[T] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            answers.append(request())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="tracker-request", daemon=True)
    thread.start()
    thread.join(longest_s)
    if answers:
        return answers[0]
    if not errors:
        raise TrackerError(f"{redact(uri)} gave no answer in {longest_s:g} s", "look at its log, then try again")
    raise describe_tracker_error(uri, errors[0]) from None
