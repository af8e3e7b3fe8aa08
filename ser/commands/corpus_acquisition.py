"""A corpus that is not there yet, made or fetched before its clips are looked for."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ser.console import format_duration
from ser.corpora.base import CorpusError
from ser.corpora.download.cremad import Addresses, DownloadProgress, download
from ser.corpora.locations import Location, is_remote, resolve_location
from ser.corpora.synthetic import make_synthetic

_LINE_EVERY_S = 10.0


def acquire_corpus(corpus: str, folder: Location, *, download_from: str | None, console: Console) -> None:
    """Make the synthetic corpus in a local folder, fetch CREMA-D if asked to; all else is as it is.

    Args:
        corpus: its name.
        folder: where it is to be.
        download_from: two addresses, as `Addresses.parse` takes them; None to fetch nothing.
        console: to tell how far it is.

    Raises:
        CorpusError: the folder holds something else, or what was asked for cannot be had.
    """
    if download_from is not None and corpus != "cremad":
        raise CorpusError(f"--download fetches cremad only, not {corpus}: leave it away")
    if download_from is not None:
        with _progress(console) as told:
            tally = download(folder, Addresses.parse(download_from), on_progress=told)
        console.print(
            f"CREMA-D in {folder}: {tally.n_fetched:,} clips fetched, {tally.n_kept:,} were there, "
            "every checksum right",
            markup=False,
        )
    elif corpus == "synthetic" and not is_remote(folder):
        make_synthetic(Path(resolve_location(folder)))


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[DownloadProgress], None]]:
    """A bar on a terminal, a line now and then in a log."""
    started = shown = time.monotonic()
    if console.is_terminal:
        with Progress(TextColumn("Download"), BarColumn(), TextColumn("{task.description}"), console=console) as bar:
            task = bar.add_task("", total=None)
            yield lambda tally: bar.update(
                task, total=tally.n_clips, completed=tally.n_done, description=_text(tally, time.monotonic() - started)
            )
        return

    def line(tally: DownloadProgress) -> None:
        nonlocal shown
        if time.monotonic() - shown >= _LINE_EVERY_S:
            shown = time.monotonic()
            console.print(f"Download: {_text(tally, shown - started)}")

    yield line


def _text(tally: DownloadProgress, elapsed_s: float) -> str:
    """Clips, megabytes a second, and the time left by the clips that came so far."""
    text = f"{tally.n_done:,} of {tally.n_clips:,} clips, {tally.n_bytes / 1e6 / elapsed_s:.1f} MB/s"
    if not tally.n_fetched:
        return text
    return f"{text}, about {format_duration((tally.n_clips - tally.n_done) * elapsed_s / tally.n_fetched)} left"
