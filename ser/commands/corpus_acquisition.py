"""Acquisition of a corpus that is missing: generated or downloaded before its clips are searched."""

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
    """Generate the synthetic corpus in a local folder, or download CREMA-D on request.

    Any other corpus is used as it is.

    Args:
        corpus: name of the corpus.
        folder: folder or URL of the corpus.
        download_from: two addresses, in the form of `Addresses.parse`; None to download nothing.
        console: where to print the progress.

    Raises:
        CorpusError: the folder holds something else, the download fails, or the corpus has no download.
    """
    if download_from is not None and corpus != "cremad":
        raise CorpusError(f"--download fetches cremad only, not {corpus}", "omit it")
    if download_from is not None:
        with _show_progress(console) as show_progress:
            result = download(folder, Addresses.parse(download_from), on_progress=show_progress)
        console.print(
            f"CREMA-D in {folder}: {result.n_fetched:,} clips fetched, {result.n_kept:,} were there, "
            "all checksums match",
            markup=False,
        )
    elif corpus == "synthetic" and not is_remote(folder):
        make_synthetic(Path(resolve_location(folder)))


@contextmanager
def _show_progress(console: Console) -> Iterator[Callable[[DownloadProgress], None]]:
    """Show progress as a bar on a terminal, as occasional lines in a log."""
    started = printed = time.monotonic()
    if console.is_terminal:
        with Progress(TextColumn("Download"), BarColumn(), TextColumn("{task.description}"), console=console) as bar:
            task = bar.add_task("", total=None)
            yield lambda progress: bar.update(
                task,
                total=progress.n_clips,
                completed=progress.n_done,
                description=_format_progress(progress, time.monotonic() - started),
            )
        return

    def print_progress(progress: DownloadProgress) -> None:
        nonlocal printed
        if time.monotonic() - printed >= _LINE_EVERY_S:
            printed = time.monotonic()
            console.print(f"Download: {_format_progress(progress, printed - started)}")

    yield print_progress


def _format_progress(progress: DownloadProgress, elapsed_s: float) -> str:
    """Format clips, megabytes per second, and the time left as estimated from the clips fetched so far."""
    text = f"{progress.n_done:,} of {progress.n_clips:,} clips, {progress.n_bytes / 1e6 / elapsed_s:.1f} MB/s"
    if not progress.n_fetched:
        return text
    return (
        f"{text}, about {format_duration((progress.n_clips - progress.n_done) * elapsed_s / progress.n_fetched)} left"
    )
