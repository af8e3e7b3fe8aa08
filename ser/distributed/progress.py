"""Progress over many clips: a bar on a terminal, a line now and then in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ser.distributed.display import clock

_LINE_EVERY_S = 10.0


@contextmanager
def extraction_progress(
    console: Console, n_clips: int, *, what: str = "Features of"
) -> Iterator[Callable[[int, float], None]]:
    """What to tell of clips done and clips per second while the block runs; `what` is done with them."""
    if not console.is_terminal:
        yield _lines(console, n_clips, what)
        return
    columns = (
        TextColumn(what), BarColumn(), TextColumn("{task.completed:,.0f} of {task.total:,.0f} clips"),
        TextColumn("{task.fields[per_s]:.0f} clips/s"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=n_clips, per_s=0.0)
        yield lambda done, per_s: bar.update(task, completed=done, per_s=per_s)


def _lines(console: Console, n_clips: int, what: str) -> Callable[[int, float], None]:
    shown = time.monotonic()

    def tell(done: int, per_s: float) -> None:
        nonlocal shown
        if time.monotonic() - shown >= _LINE_EVERY_S:
            shown = time.monotonic()
            left = clock((n_clips - done) / per_s)
            console.print(f"{what} {done:,} of {n_clips:,} clips, {per_s:.0f} clips/s, about {left} left")

    return tell
