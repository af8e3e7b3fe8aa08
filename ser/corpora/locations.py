"""Where sound lies: a local path, or a URL of any storage that fsspec reads. The only place that lists and reads it.

Local files are read by the operating system alone; fsspec is imported at the first URL. Credentials and endpoints are
what fsspec takes from the environment (as AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL for s3://), on every machine.
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
    """One name in a folder."""

    name: str
    location: str
    kind: Literal["file", "folder", "other"]


def is_remote(location: Location) -> bool:
    """Whether this is a URL of another place; what is no URL, and what file:// names, is a path of this machine."""
    return "://" in _plain(location)


def resolve_location(location: Location) -> str:
    """The form in which a location is kept: an absolute path, or a URL without a slash at its end."""
    text = _plain(location)
    return text.rstrip("/") if is_remote(text) else str(Path(text).resolve())


def join_location(folder: Location, name: str) -> str:
    """The location of `name` in `folder`."""
    return f"{os.fspath(folder).rstrip('/')}/{name}"


def name_of(location: Location) -> str:
    """The last part of a location, as its owner wrote it."""
    text = os.fspath(location).rstrip("/")
    last = text.rpartition("/")[2]
    return unquote(last) if text.startswith(("http://", "https://")) else last


def entries(folder: Location) -> list[Entry]:
    """What lies in `folder`, in order of name.

    Raises:
        OSError: it is not there, is no folder, or cannot be listed; the message of a URL's error says why.
    """
    found = _remote_entries(os.fspath(folder)) if is_remote(folder) else _local_entries(folder)
    return sorted(found, key=lambda entry: entry.name)


def exists(location: Location) -> bool:
    """Whether there is a file or folder."""
    if not is_remote(location):
        return os.path.exists(_plain(location))  # noqa: PTH110 - a location is no Path
    with _storage(os.fspath(location)) as (storage, path):
        return bool(storage.exists(path))


def is_found(location: Location) -> bool:
    """Whether there is a file or folder; not, where its storage does not say."""
    try:
        return exists(location)
    except OSError:
        return False  # as storage that only hands out files by their name may say of what it lacks


def read_bytes(location: Location, *, at_most: int | None = None) -> bytes:
    """The bytes of a file, all of them or the first `at_most`.

    Raises:
        OSError: it is not there or cannot be read; `strerror` says why.
    """
    if not is_remote(location):
        with open(_plain(location), "rb") as file:  # noqa: PTH123 - a location is no Path
            # Asking for more than there is would allocate it.
            return file.read(-1 if at_most is None else min(at_most, os.fstat(file.fileno()).st_size))
    with _storage(os.fspath(location)) as (storage, path):
        if at_most is None:
            return bytes(storage.cat_file(path))
        try:
            return bytes(storage.cat_file(path, start=0, end=at_most))[:at_most]
        except OSError as error:
            # S3 gives no range of an empty file, not even an empty one.
            if error.errno != errno.EINVAL or storage.size(path):
                raise
            return b""


def _plain(location: Location) -> str:
    return os.fspath(location).removeprefix("file://")


def _local_entries(folder: Location) -> Iterator[Entry]:
    with os.scandir(_plain(folder)) as found:
        for item in found:
            kind: Literal["file", "folder", "other"] = (
                "file" if item.is_file() else "folder" if item.is_dir() else "other"
            )
            yield Entry(item.name, item.path, kind)


def _remote_entries(folder: str) -> Iterator[Entry]:
    with _storage(folder) as (storage, path):
        storage.invalidate_cache(path)
        inside = storage.unstrip_protocol(path).rstrip("/") + "/"
        for item in storage.ls(path, detail=True):
            location = storage.unstrip_protocol(item["name"]).rstrip("/")
            # An HTTP server's page links to other places too, and S3 lists a folder's own mark.
            if location.startswith(inside) and "/" not in location.removeprefix(inside):
                yield Entry(name_of(location), location, "folder" if item["type"] == "directory" else "file")


@contextmanager
def _storage(url: str) -> Iterator[tuple[Any, str]]:
    """The file system of a URL and the path in it; whatever its client raises becomes an OSError."""
    import fsspec

    try:
        yield fsspec.core.url_to_fs(url)
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url) from None
    except PermissionError as error:
        raise PermissionError(errno.EACCES, f"{os.strerror(errno.EACCES)}; {error}", url) from None
    except Exception as error:  # each storage has its client, each client its own exceptions
        raise OSError(errno.EIO, f"{type(error).__name__}: {error}", url) from error
