"""One question to a tracker, answered in time or in one sentence."""

import threading
from collections.abc import Callable
from typing import TypeVar

from ser.redaction import redact
from ser.tracking.publication import TrackerError

_LONGEST_S = 60.0
_LONGEST_REASON = 160

T = TypeVar("T")


def ask_tracker(uri: str, question: Callable[[], T], *, longest_s: float = _LONGEST_S) -> T:
    """The answer. MLflow itself tries a database that refuses for minutes.

    A question that is given up goes on in its thread: it may look at the tracker, never change it.

    Raises:
        TrackerError: no answer in time, or an error instead of one.
    """
    answers: list[T] = []
    errors: list[Exception] = []

    def ask() -> None:
        try:
            answers.append(question())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=ask, name="tracker-question", daemon=True)
    thread.start()
    thread.join(longest_s)
    if answers:
        return answers[0]
    if not errors:
        raise TrackerError(f"{redact(uri)} gave no answer in {longest_s:g} s: look at its log, then ask again")
    raise describe_tracker_error(uri, errors[0]) from None


def describe_tracker_error(uri: str, error: Exception) -> TrackerError:
    """What MLflow raised, in one sentence with its remedy; an error of ours as it is."""
    if isinstance(error, TrackerError):
        return error
    if isinstance(error, ModuleNotFoundError):
        return TrackerError(f"{redact(uri)} needs the module {error.name}: pip install -e '.[cluster]'")
    if "out-of-date database schema" in str(error):
        return TrackerError(
            f"the database {redact(uri)} was made by another version of MLflow: take a copy of it, then run "
            f"`mlflow db upgrade {redact(uri)}`"
        )
    if "unsupported URI" in str(error):
        return TrackerError(
            f"'{redact(uri)}' is no tracker that MLflow knows: give http://HOST:PORT, postgresql://... or sqlite:///FILE"
        )
    if "maintenance mode" in str(error):
        return TrackerError(
            f"'{redact(uri)}' is a folder, which MLflow no longer writes to: give sqlite:///mlflow.db or a server's "
            "address; `mlflow migrate-filestore` takes over what is in it"
        )
    return TrackerError(f"{redact(uri)} gave an error instead of an answer ({first_line(error)}): look at its log")


def first_line(error: Exception) -> str:
    """How an exception's first line begins, or its kind where it says nothing.

    Without a colon: what follows one, in a sentence of ours, is the remedy.
    """
    first = next(iter(str(error).splitlines()), type(error).__name__)
    return first.replace(": ", ", ")[:_LONGEST_REASON]
