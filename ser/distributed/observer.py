"""Interface between the runner of a sweep and its display."""

from typing import Protocol

from ser.sweep.journal import Ended


class Observer(Protocol):
    """Display of a running sweep; entered before the first trial and left after the last."""

    def __enter__(self) -> object: ...

    def __exit__(self, *_: object) -> None: ...

    def refresh(self) -> None:
        """Redraw when it is time to; called often."""
        ...

    def show_end(self, event: Ended) -> None:
        """Show that a trial has ended."""
        ...
