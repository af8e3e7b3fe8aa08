"""Console output of the commands: progress over many clips, lists of clips, lines that can be copied."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

_LINE_EVERY_S = 10.0
_N_LISTED = 5


@contextmanager
def show_clip_progress(
    console: Console, n_clips: int, *, label: str = "Features of"
) -> Iterator[Callable[[int, int | None], None]]:
    """Progress over clips: a bar on a terminal, a line every ten seconds in a log.

    Args:
        console: where to show it.
        n_clips: clips in total.
        label: text before the number of clips.

    Yields:
        A function to call with the number of clips done, and how many of them cannot be used; None does not show that.
    """
    if not console.is_terminal:
        yield _make_line_printer(console, n_clips, label)
        return
    columns = TextColumn(label), BarColumn(), TextColumn("{task.fields[status]}")
    started = time.monotonic()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(label, total=n_clips, status="")
        yield lambda done, n_unusable: bar.update(
            task, completed=done, status=_format_status(done, n_clips, n_unusable, time.monotonic() - started)
        )


def _make_line_printer(console: Console, n_clips: int, label: str) -> Callable[[int, int | None], None]:
    started = last_printed = time.monotonic()

    def print_progress(done: int, n_unusable: int | None) -> None:
        nonlocal last_printed
        now = time.monotonic()
        if now - last_printed >= _LINE_EVERY_S:
            last_printed = now
            console.print(f"{label} {_format_status(done, n_clips, n_unusable, now - started)}")

    return print_progress


def _format_status(done: int, n_clips: int, n_unusable: int | None, elapsed_s: float) -> str:
    per_s = done / max(elapsed_s, 1e-9)
    left = f"about {format_duration((n_clips - done) / per_s)} left" if done else "time left not known yet"
    bad = "" if n_unusable is None else f", {n_unusable:,} cannot be used"
    return f"{done:,} of {n_clips:,} clips, {per_s:,.0f} clips/s, {left}{bad}"


def print_clips(console: Console, heading: str, lines: Sequence[str]) -> None:
    """Print how many clips there are, a heading, and the first five of them."""
    console.print(f"{len(lines):,} {heading}:")
    for line in lines[:_N_LISTED]:
        console.print(f"  {line}", highlight=False, markup=False)
    if len(lines) > _N_LISTED:
        console.print(f"  ... and {len(lines) - _N_LISTED:,} more")


def make_console() -> Console:
    """Console as wide as the terminal; in a log file lines are not broken, and tables have a fixed width."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, soft_wrap=True, width=140)


def print_line(console: Console, line: str) -> None:
    """Print a line that can be copied: never broken at the edge of the terminal, never read as markup."""
    console.print(line, soft_wrap=True, markup=False)


def format_duration(seconds: float) -> str:
    """Hours, minutes and seconds: '1:02:03'."""
    return str(timedelta(seconds=round(seconds)))
