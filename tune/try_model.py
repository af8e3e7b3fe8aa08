"""Open a page on this machine on which one drops or records a clip and sees what the served model makes of it.

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
from contextlib import contextmanager

from ser.serving.client import ServedModel, ServedModelError, served
from ser.serving.page import page_server

REFUSED = 2


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", default="models:/ser-cremad@champion", help="model to serve; default models:/ser-cremad@champion")
    add("--url", help="a model that is being served already: http://127.0.0.1:5001")
    add("--port", type=int, default=5002, help="of the page; default 5002")
    add("--tracking-uri", metavar="URI", help="MLflow; default MLFLOW_TRACKING_URI, else SQLite in this folder")
    add("--no-browser", action="store_true", help="print the address; open no browser")
    return parser.parse_args()


@contextmanager
def model_of(request: argparse.Namespace) -> Iterator[ServedModel]:
    """The model that is served at `--url`, or is served while the block runs."""
    if not request.url:
        print(f"Serving {request.model} ...", flush=True)
        with served(request.model) as model:
            yield model
        return
    model = ServedModel(request.url.rstrip("/"), "a model")
    if not model.is_up():
        raise ServedModelError(f"no model answers at {model.url}: start it (mlflow models serve), or correct --url")
    yield model


def show(request: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C."""
    with model_of(request) as model:
        try:
            server = page_server(model, port=request.port)
        except OSError as error:
            reason = error.strerror
            raise ServedModelError(f"port {request.port} cannot be used ({reason}): give another --port") from None
        address = f"http://127.0.0.1:{server.server_address[1]}"
        print(f"Open {address}    (Ctrl-C ends)", flush=True)
        if not request.no_browser:
            webbrowser.open(address)
        with server:
            server.serve_forever()


def end(*_: object) -> None:
    """End as on Ctrl-C: the model's server with the page's."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    request = arguments()
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
