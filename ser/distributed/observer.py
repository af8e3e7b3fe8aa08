"""What the runner tells of a running sweep."""

from typing import Protocol

from ser.sweep.journal import Ended


class Observer(Protocol):
    """Shows a running sweep; entered before the first trial and left after the last."""

    def __enter__(self) -> object: ...

    def __exit__(self, *_: object) -> None: ...

    def refresh(self) -> None:
        """Called often; redraws when it is time to."""
        ...

    def show_end(self, event: Ended) -> None:
        """Called when a trial has ended."""
        ...
