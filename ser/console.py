"""What is told of many clips: progress, as a bar on a terminal and a line now and then in a log; what is left out."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

_LINE_EVERY_S = 10.0
_SHOWN = 5


@contextmanager
def clip_progress(
    console: Console, n_clips: int, *, what: str = "Features of"
) -> Iterator[Callable[[int, int | None], None]]:
    """What to tell of clips done, and how many of them cannot be used (None: nobody asks); `what` is done with them."""
    if not console.is_terminal:
        yield _lines(console, n_clips, what)
        return
    columns = TextColumn(what), BarColumn(), TextColumn("{task.fields[status]}")
    started = time.monotonic()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=n_clips, status="")
        yield lambda done, n_unusable: bar.update(
            task, completed=done, status=_status(done, n_clips, n_unusable, time.monotonic() - started)
        )


def _lines(console: Console, n_clips: int, what: str) -> Callable[[int, int | None], None]:
    started = shown = time.monotonic()

    def tell(done: int, n_unusable: int | None) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown >= _LINE_EVERY_S:
            shown = now
            console.print(f"{what} {_status(done, n_clips, n_unusable, now - started)}")

    return tell


def _status(done: int, n_clips: int, n_unusable: int | None, gone_s: float) -> str:
    per_s = done / max(gone_s, 1e-9)
    left = f"about {format_duration((n_clips - done) / per_s)} left" if done else "time left not known yet"
    bad = "" if n_unusable is None else f", {n_unusable:,} cannot be used"
    return f"{done:,} of {n_clips:,} clips, {per_s:,.0f} clips/s, {left}{bad}"


def print_clips(console: Console, what: str, listed: Sequence[str]) -> None:
    """How many clips `what` is true of, and the first of them."""
    console.print(f"{len(listed):,} {what}:")
    for line in listed[:_SHOWN]:
        console.print(f"  {line}", highlight=False, markup=False)
    if len(listed) > _SHOWN:
        console.print(f"  ... and {len(listed) - _SHOWN:,} more")


def make_console() -> Console:
    """The console of a command: as wide as the terminal; a log file gets whole lines, and tables of a fixed width."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, soft_wrap=True, width=140)


def print_line(console: Console, line: str) -> None:
    """Print a line that can be copied: never broken at the edge of the terminal, never read as markup."""
    console.print(line, soft_wrap=True, markup=False)


def format_duration(seconds: float) -> str:
    """Hours, minutes and seconds: '1:02:03'."""
    return str(timedelta(seconds=round(seconds)))
