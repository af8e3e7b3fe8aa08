"""Atomic, durable writes: files appear whole or not at all, and survive a crash of the machine."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUFFIX = ".part"
"""Suffix of the name of a file that is being temporary."""


@contextmanager
def replace_file(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Replace a file by the one that the block writes; after an error in the block the old file remains.

    The new file has a temporary name of its own, so that several processes may write the same path at once. The file of
    the last one remains.

    Args:
        path: of the file; its folder is created if missing.
        durable: wait until file and folder are on the disk; False for files that can be written again.

    Yields:
        Path to write to, in the folder of `path`.

    Raises:
        OSError: the disk is full, or the folder cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{SUFFIX}")
    try:
        yield temporary
        if durable:
            sync(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync(path.parent)


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a text file in UTF-8, whole or not at all, as `replace_file`.

    Raises:
        OSError: the disk is full, or the folder cannot be written to.
    """
    with replace_file(path, durable=durable) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk.

    Raises:
        OSError: the disk reports an error, or there is no such file.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
