"""The official files of CREMA-D: 7,442 clips from Git LFS, each checked against its pointer, and two tables.

The list of clips and the pointers are kept beside them, so that a download goes on where it was, and one of a whole
corpus asks the server nothing.
"""

import csv
import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from ser.corpora.base import CorpusError
from ser.corpora.cremad import SYNTHETIC_MARK, parse
from ser.corpora.download.courier import Courier, DownloadError, Patience, Wanted
from ser.corpora.download.pointers import Pointers, held_pointers
from ser.corpora.locations import Location, is_remote, resolved

_REPOSITORY = "CheyneyComputerScience/CREMA-D/master"
OFFICIAL = f"https://raw.githubusercontent.com/{_REPOSITORY},https://media.githubusercontent.com/media/{_REPOSITORY}"
_LIST = "SentenceFilenames.csv"
# Where they lie in the repository, and what their first line holds.
_TABLES = {"VideoDemographics.csv": "ActorID", "processedResults/summaryTable.csv": "FileName"}
_MOST_FAILURES_IN_A_ROW = 10


@dataclass(frozen=True)
class Addresses:
    """Where the repository is served: as git holds it, with pointers for clips, and with the clips themselves."""

    pointers: str
    media: str

    @classmethod
    def of(cls, text: str) -> "Addresses":
        """Both in one text, joined by a comma.

        Raises:
            CorpusError: not two addresses.
        """
        parts = [part.rstrip("/") for part in text.split(",")]
        if len(parts) != 2 or not all(part.startswith(("http://", "https://")) for part in parts):
            raise CorpusError(
                "--download-from must be two addresses joined by a comma, that of the repository with LFS pointers "
                f"and that with the clips themselves, as {OFFICIAL}; got '{text}'"
            )
        return cls(*parts)


@dataclass(frozen=True)
class Tally:
    """How far a download is.

    Attributes:
        n_clips: all there are.
        n_kept: that were here and whole.
        n_fetched: that have come.
        n_bytes: that came over the wire.
    """

    n_clips: int
    n_kept: int = 0
    n_fetched: int = 0
    n_bytes: int = 0

    @property
    def n_done(self) -> int:
        """Clips that are here."""
        return self.n_kept + self.n_fetched


def download(
    folder: Location,
    addresses: Addresses,
    *,
    told: Callable[[Tally], None],
    n_threads: int = 8,
    patience: Patience | None = None,
) -> Tally:
    """Fill `folder` with the official clips, in AudioWAV, and the tables; what is there and whole is kept.

    Args:
        folder: of this machine; made if need be.
        addresses: of the repository.
        told: how far it is, whenever a clip is done.
        n_threads: files under way at once.
        patience: with the server.

    Returns:
        What was kept and what came.

    Raises:
        CorpusError: not a folder of this machine, other recordings in it, another download into it, no room, or
            files that could not be had.
    """
    if is_remote(folder):
        raise CorpusError(f"--download writes to a folder of this machine, not to {folder}: give one by --corpus-dir")
    place = Path(resolved(folder))
    if (place / SYNTHETIC_MARK).exists():
        raise CorpusError(f"{place} holds the synthetic corpus: give another --corpus-dir to download CREMA-D into")
    stop = threading.Event()
    courier = Courier(n_threads=n_threads, patience=patience or Patience(), stop=stop)
    try:
        (place / "AudioWAV").mkdir(parents=True, exist_ok=True)
        with held_pointers(place, courier, addresses.pointers) as pointers:
            for name, mark in _TABLES.items():
                _table(courier, f"{addresses.pointers}/{name}", place / Path(name).name, mark)
            names = _names(_table(courier, f"{addresses.pointers}/{_LIST}", place / _LIST, "Filename"))
            clips = _Clips(place / "AudioWAV", addresses.media, courier, pointers)
            return _all(names, clips, stop, n_threads, told)
    except DownloadError as error:
        raise CorpusError(
            f"CREMA-D could not be fetched ({error}): check network and address, then run the same command"
        ) from None
    except OSError as error:
        raise CorpusError(
            f"{error.filename or place} cannot be written ({error.strerror}): free some space or give another "
            "--corpus-dir, then run the same command again; what is there is kept"
        ) from None


def _all(
    names: list[str], clips: "_Clips", stop: threading.Event, n_threads: int, told: Callable[[Tally], None]
) -> Tally:
    """Every clip by some threads; one that cannot be had hinders no other, ten in a row end it."""
    failures: list[str] = []
    in_a_row = n_kept = n_fetched = 0
    pool = ThreadPoolExecutor(n_threads)
    try:
        for future in as_completed([pool.submit(clips.bring, name) for name in names]):
            try:
                came = future.result()
            except DownloadError as error:
                failures.append(str(error))
                in_a_row += 1
                if in_a_row == _MOST_FAILURES_IN_A_ROW:
                    break
                continue
            in_a_row = 0
            n_fetched, n_kept = n_fetched + came, n_kept + (not came)
            told(Tally(len(names), n_kept, n_fetched, clips.n_bytes))
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
    if failures:
        raise CorpusError(
            f"{len(names) - n_kept - n_fetched:,} of {len(names):,} clips of CREMA-D are missing ({failures[0]}): "
            "run the same command again, what is there is kept"
        )
    return Tally(len(names), n_kept, n_fetched, clips.n_bytes)


class _Clips:
    """Brings clips into a folder, and counts the bytes that come."""

    def __init__(self, folder: Path, base: str, courier: Courier, pointers: Pointers) -> None:
        self._folder, self._base, self._courier, self._pointers = folder, base, courier, pointers
        self._lock = threading.Lock()
        self.n_bytes = 0

    def bring(self, name: str) -> bool:
        """Whether it had to be fetched.

        Raises:
            DownloadError: it could not be had.
        """
        published, digest, n_bytes = self._pointers.of(name)
        wanted = Wanted(f"{self._base}/AudioWAV/{published}.wav", self._folder / f"{published}.wav", digest, n_bytes)
        if wanted.is_whole(wanted.path):
            return False
        self._courier.fetch(wanted, self._count)
        return True

    def _count(self, n_bytes: int) -> None:
        with self._lock:
            self.n_bytes += n_bytes


def _table(courier: Courier, url: str, path: Path, mark: str) -> str:
    """The text of a table, from the disk if it is there; it must have `mark` in its first line."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if mark not in text.partition("\n")[0]:
        text = courier.read(url).decode("utf-8", "replace")
        if mark not in text.partition("\n")[0]:
            raise DownloadError(f"{url} is not the table that it should be")
        partial = path.with_name(f"{path.name}.part")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    return text


def _names(table: str) -> list[str]:
    names = [row["Filename"] for row in csv.DictReader(io.StringIO(table))]
    stranger = next((name for name in names if parse(name, name) is None), None)
    if stranger is not None or not names:
        raise DownloadError(f"{_LIST} does not list clips of CREMA-D ({stranger})")
    return names
