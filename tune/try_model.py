"""Open a local web page that shows the predictions of a served model for dropped or recorded clips.

    python tune/try_model.py
    python tune/try_model.py --model models:/ser-cremad@vgg16-2d
    python tune/try_model.py --url http://127.0.0.1:5001

Without `--url` the model is served for the page, in a separate process, until Ctrl-C.
"""

import argparse

from rich.console import Console

from ser.commands import options
from ser.commands.main import run_command


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    add(
        "--model",
        default="models:/ser-cremad@champion",
        metavar="URI",
        help="model to serve; default: models:/ser-cremad@champion",
    )
    add("--url", metavar="URL", help="address of a model that is already served, as http://127.0.0.1:5001")
    add("--port", type=int, default=5002, metavar="PORT", help="port of the page; default: 5002")
    options.add_tracking_uri(parser)
    add("--no-browser", action="store_true", help="print the address, but open no browser")
    return parser.parse_args()


def main(given: argparse.Namespace, console: Console) -> int:
    """Serve the page until Ctrl-C."""
    from ser.commands.try_model import PageRequest, show_page

    return show_page(PageRequest(**vars(given)), console)


if __name__ == "__main__":
    given = parse_arguments()
    run_command(lambda console: main(given, console), stopped="Ended.")
