"""Connection to an existing tracker, for commands that read from it and must not create one by mistake."""

import mlflow
from mlflow.tracking import MlflowClient

from ser.redaction import redact
from ser.tracking.client.server import read_server_version
from ser.tracking.client.tracker_error import TrackerError
from ser.tracking.client.uri import find_database_file, resolve_tracking_uri


def open_tracker(uri: str | None) -> MlflowClient:
    """Open a client of the tracker at `uri`; None is MLflow's default tracker.

    Raises:
        TrackerError: the tracker does not exist, or does not answer.
    """
    uri = resolve_tracking_uri(uri)
    path = find_database_file(uri)
    if path is not None and not path.exists():
        raise TrackerError(
            f"{redact(uri)} does not exist",
            "run this in the folder of the sweep, or name the tracker by --tracking-uri (or MLFLOW_TRACKING_URI)",
        )
    read_server_version(uri)
    # MLflow reads the model of a version from the global tracker, even through a client of another one.
    mlflow.set_tracking_uri(uri)
    return MlflowClient(uri)
