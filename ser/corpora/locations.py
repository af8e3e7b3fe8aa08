"""Locations of sound: local paths, and URLs of any storage that fsspec reads. No other module lists or reads them.

Local files are read without fsspec, which is imported at the first URL. fsspec reads credentials and endpoints from
the environment of each machine (AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL for s3://).
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

Location = str | os.PathLike[str]


@dataclass(frozen=True)
class Entry:
    """Entry of a folder."""

    name: str
    location: str
    kind: Literal["file", "folder", "other"]


def is_remote(location: Location) -> bool:
    """True for a URL; a path, and a URL of file://, are local."""
    return "://" in _strip_file_scheme(location)


def resolve_location(location: Location) -> str:
    """Canonical form of a location: an absolute path, or a URL without a slash at its end."""
    text = _strip_file_scheme(location)
    return text.rstrip("/") if is_remote(text) else str(Path(text).resolve())


def join_location(folder: Location, name: str) -> str:
    """Location of `name` in `folder`."""
    return f"{os.fspath(folder).rstrip('/')}/{name}"


def get_name(location: Location) -> str:
    """Last part of a location; percent signs of an HTTP URL are decoded."""
    text = os.fspath(location).rstrip("/")
    last = text.rpartition("/")[2]
    return unquote(last) if text.startswith(("http://", "https://")) else last


def list_folder(folder: Location) -> list[Entry]:
    """List the entries of a folder, in order of name.

    Raises:
        OSError: it does not exist, is not a folder, or cannot be listed; `strerror` gives the reason.
    """
    entries = _list_remote(os.fspath(folder)) if is_remote(folder) else _list_local(folder)
    return sorted(entries, key=lambda entry: entry.name)


def exists(location: Location) -> bool:
    """True if a file or folder exists.

    Raises:
        OSError: the storage of a URL does not answer.
    """
    if not is_remote(location):
        return os.path.exists(_strip_file_scheme(location))  # noqa: PTH110 - a location is no Path
    with _storage(os.fspath(location)) as (storage, path):
        return bool(storage.exists(path))


def can_find(location: Location) -> bool:
    """True if a file or folder exists; False also where its storage does not answer."""
    try:
        return exists(location)
    except OSError:
        return False  # Storage that cannot be listed may answer with an error for a file that it lacks.


def read_bytes(location: Location, *, at_most: int | None = None) -> bytes:
    """Read the bytes of a file, all of them or the first `at_most`.

    Raises:
        OSError: it does not exist or cannot be read; `strerror` gives the reason.
    """
    if not is_remote(location):
        with open(_strip_file_scheme(location), "rb") as file:  # noqa: PTH123 - a location is no Path
            # `read` allocates as many bytes as are requested.
            return file.read(-1 if at_most is None else min(at_most, os.fstat(file.fileno()).st_size))
    with _storage(os.fspath(location)) as (storage, path):
        if at_most is None:
            return bytes(storage.cat_file(path))
        try:
            return bytes(storage.cat_file(path, start=0, end=at_most))[:at_most]
        except OSError as error:
            # S3 refuses every range of an empty file.
            if error.errno != errno.EINVAL or storage.size(path):
                raise
            return b""


def _strip_file_scheme(location: Location) -> str:
    return os.fspath(location).removeprefix("file://")


def _list_local(folder: Location) -> Iterator[Entry]:
    with os.scandir(_strip_file_scheme(folder)) as items:
        for item in items:
            kind: Literal["file", "folder", "other"] = (
                "file" if item.is_file() else "folder" if item.is_dir() else "other"
            )
            yield Entry(item.name, item.path, kind)


def _list_remote(folder: str) -> Iterator[Entry]:
    with _storage(folder) as (storage, path):
        storage.invalidate_cache(path)
        inside = storage.unstrip_protocol(path).rstrip("/") + "/"
        for item in storage.ls(path, detail=True):
            location = storage.unstrip_protocol(item["name"]).rstrip("/")
            # The page of an HTTP server also links to other folders, and S3 lists the folder itself.
            if location.startswith(inside) and "/" not in location.removeprefix(inside):
                yield Entry(get_name(location), location, "folder" if item["type"] == "directory" else "file")


@contextmanager
def _storage(url: str) -> Iterator[tuple[Any, str]]:
    """File system of a URL and the path in it; every exception of its client becomes an OSError."""
    import fsspec

    try:
        yield fsspec.core.url_to_fs(url)
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url) from None
    except PermissionError as error:
        raise PermissionError(errno.EACCES, f"{os.strerror(errno.EACCES)}; {error}", url) from None
    except Exception as error:  # Each storage has its own client, and each client its own exceptions.
        raise OSError(errno.EIO, f"{type(error).__name__}: {error}", url) from error
