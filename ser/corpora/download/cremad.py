"""Download of CREMA-D's official files: 7,442 clips from Git LFS, each checked against its pointer, and three tables.

Tables and pointers are stored beside the clips. The same command again fetches only files that are missing or damaged,
and sends no request if the corpus is complete.
"""

import csv
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ser.corpora.base import CorpusError
from ser.corpora.cremad import SYNTHETIC_MARK, parse
from ser.corpora.download.http_files import Downloader, DownloadError, RetryPolicy
from ser.corpora.download.pointers import Pointers, lock_pointers
from ser.corpora.locations import Location, is_remote, resolve_location
from ser.files import SUFFIX, replace_file

_REPOSITORY = "CheyneyComputerScience/CREMA-D/master"
OFFICIAL = f"https://raw.githubusercontent.com/{_REPOSITORY},https://media.githubusercontent.com/media/{_REPOSITORY}"
_LIST = "SentenceFilenames.csv"
# Path in the repository -> a column of the table.
_TABLES = {"VideoDemographics.csv": "ActorID", "processedResults/summaryTable.csv": "FileName", _LIST: "Filename"}
_MAX_FAILURES_IN_A_ROW = 10


@dataclass(frozen=True)
class Addresses:
    """Two addresses of the repository: one serves the pointers of the clips, as in git, the other the clips."""

    pointers: str
    media: str

    @classmethod
    def parse(cls, text: str) -> "Addresses":
        """Split a text with both addresses, joined by a comma.

        Raises:
            CorpusError: not two addresses.
        """
        parts = [part.rstrip("/") for part in text.split(",")]
        if len(parts) != 2 or not all(part.startswith(("http://", "https://")) for part in parts):
            raise CorpusError(
                f"--download-from must be two addresses joined by a comma, got '{text}'",
                f"give the address of the repository with LFS pointers and that with the clips, as in {OFFICIAL}",
            )
        return cls(*parts)


@dataclass(frozen=True)
class DownloadProgress:
    """Progress of a download.

    Attributes:
        n_clips: clips in the list of the corpus.
        n_kept: clips that were there with the right checksum.
        n_fetched: clips fetched so far.
        n_bytes: total size of the clips fetched.
    """

    n_clips: int
    n_kept: int = 0
    n_fetched: int = 0
    n_bytes: int = 0

    @property
    def n_done(self) -> int:
        """Clips that are there so far."""
        return self.n_kept + self.n_fetched

    def add(self, n_bytes: int) -> "DownloadProgress":
        """Progress after one more clip; `n_bytes` is its size, or 0 for a clip that was kept."""
        if n_bytes == 0:
            return replace(self, n_kept=self.n_kept + 1)
        return replace(self, n_fetched=self.n_fetched + 1, n_bytes=self.n_bytes + n_bytes)


def download(
    folder: Location,
    addresses: Addresses,
    *,
    on_progress: Callable[[DownloadProgress], None],
    n_threads: int = 8,
    policy: RetryPolicy | None = None,
) -> DownloadProgress:
    """Fill a folder with the tables and, in AudioWAV, the official clips; files with the right checksum are kept.

    Temporary files of an earlier download that was killed are removed.

    Args:
        folder: on this machine; created if it does not exist.
        addresses: addresses of the repository.
        on_progress: called after each clip.
        n_threads: number of files fetched at the same time.
        policy: retries and timeouts.

    Returns:
        Clips kept and fetched.

    Raises:
        CorpusError: a URL instead of a folder, another corpus in the folder, another download into it, a full disk, or
            files that could not be fetched.
    """
    if is_remote(folder):
        raise CorpusError(f"--download writes to a folder of this machine, not to {folder}", "give one by --corpus-dir")
    place = Path(resolve_location(folder))
    if (place / SYNTHETIC_MARK).exists():
        raise CorpusError(f"{place} holds the synthetic corpus", "give another --corpus-dir to download CREMA-D into")
    stop = threading.Event()
    downloader = Downloader(n_threads=n_threads, policy=policy or RetryPolicy(), stop=stop)
    try:
        (place / "AudioWAV").mkdir(parents=True, exist_ok=True)
        with lock_pointers(place, downloader, addresses.pointers) as pointers:
            _remove_leftovers(place)
            names = _fetch_tables(addresses, place, downloader)
            fetch = partial(_fetch_clip, f"{addresses.media}/AudioWAV", place / "AudioWAV", downloader, pointers)
            return _fetch_all(names, fetch, stop, n_threads, on_progress)
    except DownloadError as error:
        raise CorpusError(
            f"CREMA-D could not be fetched ({error})", "check network and address, then run the same command"
        ) from None
    except OSError as error:
        raise CorpusError(
            f"{error.filename or place} cannot be written ({error.strerror})",
            "free some space or give another --corpus-dir, then run the same command again; fetched files are kept",
        ) from None


def _remove_leftovers(place: Path) -> None:
    """Remove temporary files of a killed download; the lock on the pointers excludes a download that still writes."""
    for folder in (place, place / "AudioWAV"):
        for path in folder.glob(f".*.{'[0-9a-f]' * 32}{SUFFIX}"):
            path.unlink(missing_ok=True)


def _fetch_tables(addresses: Addresses, place: Path, downloader: Downloader) -> list[str]:
    """Fetch the tables that are missing; names of the clips in the list of the corpus."""
    for name, column in _TABLES.items():
        _fetch_table(f"{addresses.pointers}/{name}", place / Path(name).name, column, downloader)
    return _read_names(place / _LIST)


def _fetch_all(
    names: list[str],
    fetch: Callable[[str], int],
    stop: threading.Event,
    n_threads: int,
    on_progress: Callable[[DownloadProgress], None],
) -> DownloadProgress:
    """Fetch all clips in several threads. A failure does not affect other clips; ten in a row end the download."""
    tally, failures, n_in_a_row = DownloadProgress(len(names)), list[str](), 0
    pool = ThreadPoolExecutor(n_threads)
    try:
        for future in as_completed([pool.submit(fetch, name) for name in names]):
            try:
                tally = tally.add(future.result())
            except DownloadError as error:
                failures.append(str(error))
                n_in_a_row += 1
                if n_in_a_row == _MAX_FAILURES_IN_A_ROW:
                    break
            else:
                n_in_a_row = 0
                on_progress(tally)
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
    if failures:
        raise CorpusError(
            f"{len(names) - tally.n_done:,} of {len(names):,} clips of CREMA-D are missing ({failures[0]})",
            "run the same command again, fetched files are kept",
        )
    return tally


def _fetch_clip(base: str, folder: Path, downloader: Downloader, pointers: Pointers, name: str) -> int:
    """Fetch one clip unless it is there with the right checksum; return the bytes fetched."""
    pointer = pointers.find(name)
    path = folder / f"{pointer.name}.wav"
    if pointer.matches(path):
        return 0
    _write(path, downloader.read(f"{base}/{path.name}", at_most=pointer.n_bytes, digest=pointer.digest))
    return pointer.n_bytes


def _fetch_table(url: str, path: Path, column: str, downloader: Downloader) -> None:
    """Fetch a table unless it is there; its first line must name the column."""
    if path.exists() and _has_column(path.read_bytes(), column):
        return
    data = downloader.read(url)
    if not _has_column(data, column):
        raise DownloadError(f"{url} is not the published table, it has no column {column}")
    _write(path, data)


def _has_column(table: bytes, column: str) -> bool:
    return column.encode() in table.partition(b"\n")[0]


def _read_names(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    names = [row[_TABLES[_LIST]] for row in csv.DictReader(lines)]
    foreign = next((name for name in names if parse(name, name) is None), None)
    if foreign is not None or not names:
        raise DownloadError(f"{_LIST} does not list clips of CREMA-D ({foreign})")
    return names


def _write(path: Path, data: bytes) -> None:
    with replace_file(path) as written:
        written.write_bytes(data)
