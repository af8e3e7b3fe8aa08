"""Checks of a tracker: that it answers, its version, and its artefact locations."""

import re
import sqlite3
from collections.abc import Collection
from urllib.parse import urlsplit

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from ser.redaction import redact
from ser.tracking.client.deadline import ask_tracker
from ser.tracking.client.tracker_error import TrackerError, first_line
from ser.tracking.client.uri import check_reachable, find_database_file

_PATIENCE_S = 5.0


def read_server_version(uri: str) -> str:
    """Read the version of the MLflow server at an HTTP address; '' for a database that can be reached.

    Raises:
        TrackerError: nothing answers there, or something else than MLflow does, or it requires credentials.
    """
    try:
        check_reachable(uri, timeout_s=_PATIENCE_S)
    except sqlite3.Error as error:
        raise TrackerError(
            f"{find_database_file(uri)} cannot be used as a database ({error})", "restore a copy of it, or move it away"
        ) from None
    except (OSError, ValueError) as error:
        raise TrackerError(f"nothing answers at {redact(uri)} ({first_line(error)})", _describe_start(uri)) from None
    if not uri.startswith("http"):
        return ""
    return ask_tracker(uri, lambda: _request_version(uri))


def read_artefact_locations(uri: str, experiments: Collection[str]) -> dict[str, str]:
    """Read the artefact location of each of the named experiments that exists, by its name.

    Raises:
        TrackerError: the tracker cannot be read, for example because of a database of another version.
    """

    def read() -> dict[str, str]:
        client = MlflowClient(uri)
        found = [client.get_experiment_by_name(name) for name in experiments]
        return {experiment.name: experiment.artifact_location for experiment in found if experiment}

    return ask_tracker(uri, read)


def _request_version(uri: str) -> str:
    credentials = get_default_host_creds(uri)  # type: ignore[no-untyped-call]
    try:
        answer = http_request(  # type: ignore[no-untyped-call]
            credentials, "/version", "GET", max_retries=0, timeout=_PATIENCE_S, raise_on_status=False
        )
    except MlflowException as error:
        # MLflow gives a timeout no class and no error code of its own.
        if "timed out" not in str(error):
            raise
        raise TrackerError(
            f"{redact(uri)} accepts the connection but gives no answer in {_PATIENCE_S:g} s",
            "look at its log, or restart it",
        ) from None
    if answer.status_code in (401, 403):
        raise TrackerError(
            f"{redact(uri)} refuses this user or this machine (HTTP {answer.status_code})",
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or name this address in the server's "
            "--allowed-hosts",
        )
    text = str(answer.text).strip()
    if answer.status_code != 200 or not re.fullmatch(r"\d+\.\d+\.\S+", text):
        raise TrackerError(
            f"the server at {redact(uri)} is no MLflow server (HTTP {answer.status_code} for /version)",
            "correct --tracking-uri (or MLFLOW_TRACKING_URI)",
        )
    return text


def _describe_start(uri: str) -> str:
    parts = urlsplit(uri)
    if not uri.startswith("http"):
        return "start the database, or correct --tracking-uri (or MLFLOW_TRACKING_URI)"
    return (
        f"start it (mlflow server --host {parts.hostname} --port {parts.port or 80}), or correct --tracking-uri "
        "(or MLFLOW_TRACKING_URI)"
    )
