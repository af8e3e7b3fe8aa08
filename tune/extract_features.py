"""Extract the features of a corpus into the feature store with Ray tasks; stored features are kept.

    python tune/extract_features.py --download
    python tune/extract_features.py --corpus-dir s3://bucket/cremad

Uses the default settings; a sweep with other settings extracts its own features. `--prune` removes the features of all
settings except the default ones and those of the sweeps in `--home`; together with `--store` it needs `--home`.
`--verify N` compares the stored features of N clips with those of librosa's functions.
"""

import argparse
from pathlib import Path

from rich.console import Console

from ser.commands import options
from ser.commands.main import run_command
from ser.paths import DEFAULT_HOME


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = options.make_parser(__doc__)
    options.add_corpus(parser, default="cremad")
    options.add_corpus_dir(parser)
    options.add_download(parser)
    options.add_home(parser, default=None)
    parser.add_argument(
        "--store",
        type=Path,
        metavar="FOLDER",
        help="folder of the feature store; default: the one in --home, which sweeps use",
    )
    options.add_max_bad(parser)
    parser.add_argument(
        "--prune", action="store_true", help="afterwards remove the features of settings that are not in use"
    )
    parser.add_argument(
        "--verify",
        type=options.parse_count,
        metavar="N",
        help="afterwards compare N clips in the store with librosa's functions, and print the largest deviations",
    )
    options.add_ray_address(parser)
    given = parser.parse_args()
    if given.prune and given.store is not None and given.home is None:
        parser.error(
            "--prune with --store needs --home too: only the features that its sweeps need are kept in the store"
        )
    given.home = given.home or DEFAULT_HOME
    return given


def main(given: argparse.Namespace, console: Console) -> int:
    """Extract the features."""
    from ser.commands.extract_features import ExtractionRequest, run_extraction

    return run_extraction(ExtractionRequest(**vars(given)), console)


if __name__ == "__main__":
    given = parse_arguments()
    run_command(
        lambda console: main(given, console), stopped="Stopped. Downloaded files and extracted features are kept."
    )
