"""Features on disk, found by what they were made of: the sound's digest and the pipeline's.

A folder for each pipeline, in it one file per clip. A file appears whole or not at all, so several writers may write
the same clip; a damaged one counts as missing and is computed again, one that cannot be read is an error. What a killed
writer leaves lies in one folder beside the others.
"""

import errno
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from ser.audio import AudioFacts
from ser.errors import UserError
from ser.features.pipeline import Pipeline
from ser.features.stored_clip import DamagedEntryError, Entry, encode_entry, read_entry, read_facts

T = TypeVar("T")

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SUFFIX = ".features"
_UNFINISHED = ".unfinished"
_USED = ".used"
# A clip's file is written in far less.
_GIVEN_UP_S = 600.0


@dataclass(frozen=True)
class FeatureStore:
    """A folder of features."""

    root: Path

    @staticmethod
    def key(audio_digest: str, pipeline_digest: str) -> str:
        """Key of the features of one sound, computed by one pipeline."""
        return f"{pipeline_digest}/{audio_digest}"

    def path(self, key: str) -> Path:
        """Path of the entry of `key`."""
        pipeline, _, sound = key.partition("/")
        return self.root / pipeline / sound[:2] / f"{sound}{_SUFFIX}"

    def keys(self, pipeline_digest: str = "*") -> Iterator[str]:
        """Keys of all entries, whole or not; with a digest those of one pipeline."""
        for path in self.root.glob(f"{pipeline_digest}/*/*{_SUFFIX}"):
            yield self.key(path.stem, path.parts[-3])

    def facts(self, key: str) -> AudioFacts | None:
        """Facts of the sound of the entry of `key`, if it has the right length; its features are not read.

        Raises:
            UserError: it is there and cannot be read.
        """
        return _find(read_facts, self.path(key))

    def read(self, key: str) -> Entry | None:
        """The entry of `key`; None where there is none, or a damaged one.

        Raises:
            UserError: it is there and cannot be read.
        """
        return _find(read_entry, self.path(key))

    def load(self, audio_digest: str, pipeline: Pipeline) -> Entry:
        """Facts and unpacked features of one clip, which an extraction has just made sure of.

        Raises:
            UserError: the entry has gone since, or cannot be read.
        """
        entry = self.read(self.key(audio_digest, pipeline.digest))
        if entry is None:
            raise UserError(f"{self.root} lost an entry since the extraction", "run the same command again")
        return replace(entry, features=pipeline.unpack(entry.features))

    def write(self, key: str, entry: Entry) -> None:
        """Keep `entry`, in place of any other under `key`.

        Raises:
            UserError: the disk is full, or the folder cannot be written to.
        """
        path, content = self.path(key), encode_entry(entry)
        unfinished = self.root / _UNFINISHED / uuid.uuid4().hex
        try:
            try:
                _in_folder(unfinished, lambda: unfinished.write_bytes(content))
                _in_folder(path, lambda: unfinished.replace(path))
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise describe_store_error(error, self.root) from error

    def abandoned(self) -> list[Path]:
        """Files that killed writers have left; files that are being written are younger."""
        return sorted(path for path in self.root.glob(f"{_UNFINISHED}/*") if _age_s(path) > _GIVEN_UP_S)

    def clean(self) -> int:
        """Remove what killed writers have left, where it may be: how many files."""
        abandoned = self.abandoned()
        for path in abandoned:
            _delete(path)
        return sum(not path.exists() for path in abandoned)

    def pipelines(self) -> list[str]:
        """Digests of the pipelines that have entries."""
        return sorted(path.name for path in self.root.glob("[!.]*") if _is_digest(path.name))

    def mark_used(self, pipeline_digest: str) -> None:
        """Let others see that a command needs the entries of this pipeline now.

        Raises:
            UserError: the disk is full, or the folder cannot be written to.
        """
        mark = self.root / pipeline_digest / _USED
        try:
            _in_folder(mark, mark.touch)
        except OSError as error:
            raise describe_store_error(error, self.root) from error

    def unused_s(self, pipeline_digest: str) -> float:
        """Seconds since a command needed the entries of this pipeline; infinite where none ever said so."""
        mark = self.root / pipeline_digest / _USED
        return _age_s(mark) if mark.exists() else float("inf")

    def remove(self, pipeline_digest: str) -> None:
        """Remove all entries of a pipeline: they go at once, then their files one by one.

        Raises:
            UserError: the folder cannot be written to.
        """
        going = self.root / _UNFINISHED / uuid.uuid4().hex
        try:
            _in_folder(going, lambda: (self.root / pipeline_digest).rename(going))
        except OSError as error:
            raise describe_store_error(error, self.root) from error
        _delete(going)


def describe_store_error(error: OSError, root: Path) -> UserError:
    """Error for the user about `error`, met while writing into `root`."""
    if error.errno in _NO_ROOM:
        return UserError(
            f"no room left for features in {root}", "free some, or choose another folder; what is there is kept"
        )
    reason = error.strerror or str(error)
    return UserError(f"the feature store {root} cannot be used ({reason})", "check the folder, or choose another")


def _find(read: Callable[[Path], T], path: Path) -> T | None:
    """The content of a file; None where it counts as missing. An error in our own code is not taken for that."""
    try:
        return read(path)
    except (FileNotFoundError, DamagedEntryError):
        return None
    except OSError as error:
        raise UserError(
            f"the feature store cannot read {path} ({error.strerror or error})",
            "give access to it, or remove it, and its features are computed again",
        ) from error


def _in_folder(path: Path, act: Callable[[], object]) -> None:
    """Do what needs the folder of `path`, which is made if it is not there."""
    try:
        act()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        act()


def _is_digest(name: str) -> bool:
    return len(name) == 64 and set(name) <= set("0123456789abcdef")


def _delete(path: Path) -> None:
    """As far as it goes: another command may be at it too, and what is another user's is not worth a stop."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
