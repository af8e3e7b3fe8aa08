"""Open a local web page that shows the predictions of a served model on clips that are dropped or recorded there.

    python tune/try_model.py
    python tune/try_model.py --model models:/ser-cremad@vgg16-2d
    python tune/try_model.py --url http://127.0.0.1:5001

Without `--url` the model is served for the page, in a process of its own, until Ctrl-C.
"""

import argparse
import os
import signal
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ser.serving.client import ServedModel, ServedModelError, serve_model

REFUSED = 2


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", default="models:/ser-cremad@champion", help="model to serve; default models:/ser-cremad@champion")
    add("--url", help="address of a model that is already being served, such as http://127.0.0.1:5001")
    add("--port", type=int, default=5002, help="port of the page; default 5002")
    add("--tracking-uri", metavar="URI", help="MLflow; default MLFLOW_TRACKING_URI, else SQLite in this folder")
    add("--no-browser", action="store_true", help="print the address; open no browser")
    return parser.parse_args()


@contextmanager
def find_model(request: argparse.Namespace) -> Iterator[ServedModel]:
    """Find the model that is served at `--url`, or serve `--model` while the block runs."""
    if not request.url:
        print(f"Serving {request.model} ...", flush=True)
        with serve_model(request.model) as model:
            yield model
        return
    model = ServedModel(request.url.rstrip("/"), "a model")
    if not model.is_up():
        raise ServedModelError(f"no model answers at {model.url}: start it (mlflow models serve), or correct --url")
    yield model


def show(request: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C; the page ends before the model that is served for it."""
    # Imported here, so that `--help` does not wait for it.
    from ser.serving.page import serve_page

    with ExitStack() as servers:
        model = servers.enter_context(find_model(request))
        try:
            address = servers.enter_context(serve_page(model, port=request.port))
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ServedModelError(f"port {request.port} cannot be used ({reason}): give another --port") from None
        print(f"Open {address}    (Ctrl-C ends)", flush=True)
        if not request.no_browser:
            webbrowser.open(address)
        while True:
            signal.pause()


def end(*_: object) -> None:
    """End as on Ctrl-C: the page's server, then the model's."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    request = parse_arguments()
    if request.tracking_uri:
        os.environ["MLFLOW_TRACKING_URI"] = request.tracking_uri
    signal.signal(signal.SIGTERM, end)
    try:
        show(request)
    except ServedModelError as error:
        print(f"error: {error}")
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        print("Ended.")
