"""The error for a tracker that cannot be used, and the remedy for each error that MLflow raises."""

from ser.errors import UserError
from ser.redaction import redact

_LONGEST_REASON = 160


class TrackerError(UserError):
    """The tracker does not answer, refuses a request, or has no such run."""


def describe_tracker_error(uri: str, error: Exception) -> TrackerError:
    """Make a `TrackerError` with a remedy from an error of MLflow; one that is a `TrackerError` is returned as it is.

    Args:
        uri: of the tracker.
        error: raised by a request to it.
    """
    if isinstance(error, TrackerError):
        return error
    if isinstance(error, ModuleNotFoundError):
        return TrackerError(f"{redact(uri)} needs the module {error.name}", "pip install -e '.[cluster]'")
    # MLflow raises one class with one error code for all of these: only its text distinguishes them.
    text = str(error)
    if "out-of-date database schema" in text:
        return TrackerError(
            f"the database {redact(uri)} was made by another version of MLflow",
            f"copy it, then run `mlflow db upgrade {redact(uri)}`",
        )
    if "unsupported URI" in text:
        return TrackerError(
            f"'{redact(uri)}' is no tracker that MLflow knows",
            "give http://HOST:PORT, postgresql://... or sqlite:///FILE",
        )
    if "maintenance mode" in text:
        return TrackerError(
            f"'{redact(uri)}' is a folder, which MLflow no longer writes to",
            "give sqlite:///mlflow.db or a server's address; `mlflow migrate-filestore` imports the folder's runs",
        )
    return TrackerError(f"{redact(uri)} gave an error instead of an answer ({first_line(error)})", "look at its log")


def first_line(error: Exception) -> str:
    """Shorten an exception to at most 160 characters of its first line, or its class name where it has no text."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:_LONGEST_REASON]
