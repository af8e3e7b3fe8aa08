"""Open a local web page that shows the predictions of a served model on clips that are dropped or recorded there.

    python tune/try_model.py
    python tune/try_model.py --model models:/ser-cremad@vgg16-2d
    python tune/try_model.py --url http://127.0.0.1:5001

Without `--url` the model is served for the page, in a process of its own, until Ctrl-C.
"""

import argparse

from rich.console import Console

from ser.commands import options
from ser.commands.main import run_command


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    add("--model", default="models:/ser-cremad@champion", help="model to serve; default models:/ser-cremad@champion")
    add("--url", help="address of a model that is already being served, such as http://127.0.0.1:5001")
    add("--port", type=int, default=5002, help="port of the page; default 5002")
    options.add_tracking_uri(parser)
    add("--no-browser", action="store_true", help="print the address; open no browser")
    return parser.parse_args()


def main(given: argparse.Namespace, console: Console) -> int:
    """Serve the page until Ctrl-C."""
    from ser.commands.try_model import PageRequest, show_page

    return show_page(PageRequest(**vars(given)), console)


if __name__ == "__main__":
    given = arguments()
    run_command(lambda console: main(given, console), stopped="Ended.")
