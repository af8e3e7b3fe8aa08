"""Write files that appear whole or not at all, and that a crash of the machine does not lose."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUFFIX = ".part"
"""Ends the name of a file that is being written."""


@contextmanager
def replace_file(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A new file beside `path`, which takes its place when the block ends; after an error `path` is what it was.

    Each writer has a file of its own, so that several may write the same path; the last one stays.

    Args:
        path: of the file; its folder is made if it is not there.
        durable: wait until file and folder are on the disk; False for what can be made again.

    Raises:
        OSError: the disk is full, or the folder cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f".{path.name}.{uuid.uuid4().hex}{SUFFIX}")
    try:
        yield written
        if durable:
            sync(written)
        written.replace(path)
    except BaseException:
        written.unlink(missing_ok=True)
        raise
    if durable:
        sync(path.parent)


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a text file in UTF-8, whole or not at all.

    Raises:
        OSError: the disk is full, or the folder cannot be written to.
    """
    with replace_file(path, durable=durable) as written:
        written.write_text(text, encoding="utf-8")


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk.

    Raises:
        OSError: the disk does not take it.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
