"""Options that several scripts share, each declared once.

Imports neither torch, Ray, MLflow, Optuna nor pandas, so that `--help` answers quickly.
"""

import argparse
from pathlib import Path

from ser.corpora.base import CORPORA
from ser.corpora.download.cremad import OFFICIAL
from ser.paths import DEFAULT_HOME, list_plan_names

MAX_BAD_PERCENT = 1.0
ROBUSTNESS_CLIPS = 300


def make_parser(description: str | None, *, prog: str | None = None) -> argparse.ArgumentParser:
    """Make a parser whose help shows the docstring of its script unchanged."""
    return argparse.ArgumentParser(
        prog=prog, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_plan(parser: argparse.ArgumentParser, plans: Path, *, default: str | None = None) -> None:
    """Add `--plan`: the name of a plan in the folder `plans`, or a file."""
    names = ", ".join(list_plan_names(plans))
    parser.add_argument(
        "--plan",
        metavar="PLAN",
        help=f"name of a plan in tune/plans ({names}) or a TOML file; default: quick",
        default=default,
    )


def add_corpus(parser: argparse.ArgumentParser, *, default: str | None) -> None:
    """Add `--corpus`: the name of a corpus."""
    parser.add_argument(
        "--corpus",
        metavar="NAME",
        default=default,
        help=f"name of the corpus: {', '.join(CORPORA)}; default: {default or 'as in the plan'}",
    )


def add_corpus_dir(
    parser: argparse.ArgumentParser, *, default: str = "the folder CORPUS in SER_DATA, else in data"
) -> None:
    """Add `--corpus-dir`: the folder or URL of the corpus."""
    parser.add_argument(
        "--corpus-dir", metavar="PLACE", help=f"folder or URL of the corpus (s3://, http://); default: {default}"
    )


def add_download(parser: argparse.ArgumentParser) -> None:
    """Add `--download` and `--download-from`: download CREMA-D first."""
    parser.add_argument(
        "--download",
        dest="download_from",
        action="store_const",
        const=OFFICIAL,
        help="download the missing files of CREMA-D into the corpus folder first",
    )
    parser.add_argument(
        "--download-from",
        metavar="POINTERS,MEDIA",
        help="like --download, from a copy of the repository at two other addresses",
    )


def add_max_bad(parser: argparse.ArgumentParser) -> None:
    """Add `--max-bad`: the largest share of unusable clips."""
    parser.add_argument(
        "--max-bad",
        type=parse_percent,
        default=MAX_BAD_PERCENT,
        metavar="PERCENT",
        help=f"stop if a larger percentage of the clips is unusable; default: {MAX_BAD_PERCENT:g}",
    )


def add_tracking_uri(parser: argparse.ArgumentParser) -> None:
    """Add `--tracking-uri`: the address of MLflow."""
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="address of MLflow; default: MLFLOW_TRACKING_URI, else SQLite in the current folder",
    )


def add_ray_address(parser: argparse.ArgumentParser, *, more: str = "") -> None:
    """Add `--ray-address`: the address of a running Ray."""
    parser.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help=f"address of a running Ray{more}; default: RAY_ADDRESS, else a local Ray",
    )


def add_home(parser: argparse.ArgumentParser, *, default: Path | None = DEFAULT_HOME) -> None:
    """Add `--home`: the folder of features, journals and checkpoints."""
    parser.add_argument(
        "--home",
        type=Path,
        default=default,
        metavar="FOLDER",
        help="folder of features, journals and checkpoints; default: SER_HOME, else .ser",
    )


def parse_percent(text: str) -> float:
    """Parse a percentage of the command line.

    Raises:
        ArgumentTypeError: not a number in [0, 100].
    """
    try:
        share = float(text)
    except ValueError:
        share = float("nan")
    if not 0 <= share <= 100:
        raise argparse.ArgumentTypeError(f"must be a number of percent in [0, 100], got '{text}'")
    return share


def parse_count(text: str) -> int:
    """Parse a count of the command line.

    Raises:
        ArgumentTypeError: not a whole number of at least 1.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, 1 or more, got '{text}'")
    return int(text)
