"""Trackers' addresses: which one is meant, and whether anything answers there."""

import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow

_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
_SQLITE = "sqlite:///"


def resolve_tracking_uri(uri: str | None) -> str:
    """The tracker that a sweep takes where `uri` is given, or nothing is."""
    return uri or str(mlflow.get_tracking_uri())


def database_file(uri: str) -> Path | None:
    """The file of an SQLite tracker; None of any other."""
    return Path(unquote(uri.removeprefix(_SQLITE))) if uri.startswith(_SQLITE) else None


def local_folder(location: str) -> Path | None:
    """The folder of this machine that an artefact location is; None where a server or a store keeps them."""
    parts = urlsplit(location)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None


def check_reachable(uri: str, *, timeout_s: float) -> None:
    """Nothing, where something listens at the address, or its SQLite file is a database.

    Raises:
        OSError: nothing listens, or there is no such machine.
        sqlite3.Error: the file is no database, or cannot be opened.
    """
    path = database_file(uri)
    if path is not None:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("SELECT count(*) FROM sqlite_master")
        return
    parts = urlsplit(uri)
    port = parts.port or _PORTS.get(parts.scheme.partition("+")[0])
    if parts.hostname and port:
        socket.create_connection((parts.hostname, port), timeout=timeout_s).close()
