"""Addresses of trackers: the default, the local files behind them, and a test of the connection."""

import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow

_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
_SQLITE = "sqlite:///"


def resolve_tracking_uri(uri: str | None) -> str:
    """Return the given address, or that of MLflow's default tracker."""
    return uri or str(mlflow.get_tracking_uri())


def find_database_file(uri: str) -> Path | None:
    """Find the file of an SQLite tracker; None for any other tracker."""
    return Path(unquote(uri.removeprefix(_SQLITE))) if uri.startswith(_SQLITE) else None


def find_local_folder(location: str) -> Path | None:
    """Find the local folder that an artefact location names; None for a server or an object store."""
    parts = urlsplit(location)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None


def check_reachable(uri: str, *, timeout_s: float) -> None:
    """Check that something listens at the address, or that its SQLite file is a database.

    Raises:
        OSError: nothing listens there, or there is no such machine.
        sqlite3.Error: the file is no database, or cannot be opened.
    """
    path = find_database_file(uri)
    if path is not None:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("SELECT count(*) FROM sqlite_master")
        return
    parts = urlsplit(uri)
    port = parts.port or _PORTS.get(parts.scheme.partition("+")[0])
    if parts.hostname and port:
        socket.create_connection((parts.hostname, port), timeout=timeout_s).close()
