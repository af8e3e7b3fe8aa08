"""Extract the features of a corpus into the store by Ray tasks, for sweeps to come; what is there stays.

    python tune/extract_features.py --download
    python tune/extract_features.py --corpus-dir s3://bucket/cremad

Those of the default settings; a sweep with others extracts its own. --prune removes those that neither these settings
nor those of a sweep in --home name; with --store it needs --home too. --verify N compares N clips, as they
are stored, with librosa's functions called one by one.
"""

import argparse
from pathlib import Path

from rich.console import Console

from ser.commands import options
from ser.commands.main import run_command
from ser.paths import DEFAULT_HOME


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = options.make_parser(__doc__)
    options.add_corpus(parser, default="cremad")
    options.add_corpus_dir(parser)
    options.add_download(parser)
    options.add_home(parser, default=None)
    parser.add_argument("--store", type=Path, help="folder of the features; default: in --home, where sweeps look")
    options.add_max_bad(parser)
    parser.add_argument("--prune", action="store_true", help="then remove the entries that no settings in use name")
    parser.add_argument(
        "--verify",
        type=options.positive_whole_number,
        metavar="N",
        help="then compare N clips in the store with librosa's functions, and print the largest deviations",
    )
    options.add_ray_address(parser)
    given = parser.parse_args()
    if given.prune and given.store is not None and given.home is None:
        parser.error(
            "--prune with --store needs --home too: what the sweeps there need is kept, all else in the store goes"
        )
    given.home = given.home or DEFAULT_HOME
    return given


def main(given: argparse.Namespace, console: Console) -> int:
    """Extract the features."""
    from ser.commands.extract_features import ExtractionRequest, run_extraction

    return run_extraction(ExtractionRequest(**vars(given)), console)


if __name__ == "__main__":
    given = arguments()
    run_command(lambda console: main(given, console), stopped="Stopped. What was fetched and extracted is kept.")
