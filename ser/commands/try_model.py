"""Serve the demo page, and the model behind it if none is served yet."""

import os
import signal
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from rich.console import Console

from ser.commands.exit_codes import FINISHED
from ser.console import print_line
from ser.errors import UserError
from ser.serving.client import ServedModel, serve_model
from ser.serving.page import serve_page


@dataclass(frozen=True)
class PageRequest:
    """The command line of `try_model.py`; None is 'not given'."""

    model: str
    url: str | None
    port: int
    tracking_uri: str | None
    no_browser: bool


def show_page(request: PageRequest, console: Console) -> int:
    """Serve the page until Ctrl-C or SIGTERM; the page ends before the model that is served for it.

    Returns:
        Exit code, one of `ser.commands.exit_codes`.

    Raises:
        UserError: no model answers, or the port cannot be used.
    """
    if request.tracking_uri:
        os.environ["MLFLOW_TRACKING_URI"] = request.tracking_uri
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with ExitStack() as servers:
        model = servers.enter_context(_find_model(request, console))
        try:
            address = servers.enter_context(serve_page(model, port=request.port))
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise UserError(f"port {request.port} cannot be used ({reason})", "give another --port") from None
        print_line(console, f"Open {address}    (Ctrl-C ends)")
        if not request.no_browser:
            webbrowser.open(address)
        with suppress(KeyboardInterrupt):
            while True:
                signal.pause()
        print_line(console, "Ended.")
    return FINISHED


@contextmanager
def _find_model(request: PageRequest, console: Console) -> Iterator[ServedModel]:
    """Find the model that is served at `--url`, or serve one while the block runs."""
    if not request.url:
        print_line(console, f"Serving {request.model} ...")
        with serve_model(request.model) as model:
            yield model
        return
    model = ServedModel(request.url.rstrip("/"), "a model")
    if not model.is_up():
        raise UserError(f"no model answers at {model.url}", "start it (mlflow models serve), or correct --url")
    yield model
