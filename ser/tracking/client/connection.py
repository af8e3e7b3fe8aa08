"""The way in for commands that read what a tracker has: they make no new one by mistake."""

import mlflow
from mlflow.tracking import MlflowClient

from ser.redaction import redact
from ser.tracking.client.server import server_version
from ser.tracking.client.uri import database_file, resolve_tracking_uri
from ser.tracking.publication import TrackerError


def open_tracker(uri: str | None) -> MlflowClient:
    """The client of the tracker at `uri`, or of the default one.

    Raises:
        TrackerError: it is not there, or does not serve.
    """
    uri = resolve_tracking_uri(uri)
    path = database_file(uri)
    if path is not None and not path.exists():
        raise TrackerError(
            f"{redact(uri)} does not exist: run this in the folder of the sweep, or name the tracker by --tracking-uri "
            "(or MLFLOW_TRACKING_URI)"
        )
    server_version(uri)
    # MLflow looks up the model of a version there, whatever client is asked.
    mlflow.set_tracking_uri(uri)
    return MlflowClient(uri)
