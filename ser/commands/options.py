"""Options that several scripts share, each declared once; without torch, Ray or MLflow, so that `--help` is quick."""

import argparse
from pathlib import Path

from ser.corpora.base import CORPORA
from ser.corpora.download.cremad import OFFICIAL
from ser.paths import DEFAULT_HOME, list_plan_names

MAX_BAD_PERCENT = 1.0
ROBUSTNESS_CLIPS = 300


def make_parser(description: str | None, *, prog: str | None = None) -> argparse.ArgumentParser:
    """A parser whose help shows the docstring of its script as it stands."""
    return argparse.ArgumentParser(
        prog=prog, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_plan(parser: argparse.ArgumentParser, plans: Path, *, default: str | None = None) -> None:
    """`--plan`: a plan in the folder `plans`, or a file."""
    found = ", ".join(list_plan_names(plans))
    parser.add_argument("--plan", help=f"a plan of tune/plans ({found}) or a TOML file; default quick", default=default)


def add_corpus(parser: argparse.ArgumentParser, *, default: str | None) -> None:
    """`--corpus`: name of a corpus."""
    parser.add_argument(
        "--corpus", default=default, help=f"{', '.join(CORPORA)}; default: {default or 'that of the plan'}"
    )


def add_corpus_dir(parser: argparse.ArgumentParser, *, default: str = "<corpus> in SER_DATA, else in data") -> None:
    """`--corpus-dir`: where the corpus lies."""
    parser.add_argument(
        "--corpus-dir", metavar="PLACE", help=f"folder or URL of the corpus (s3://, http://); default: {default}"
    )


def add_download(parser: argparse.ArgumentParser) -> None:
    """`--download` and `--download-from`: fetch CREMA-D first."""
    parser.add_argument(
        "--download",
        dest="download_from",
        action="store_const",
        const=OFFICIAL,
        help="fetch CREMA-D into the folder first, or what is missing",
    )
    parser.add_argument(
        "--download-from", metavar="POINTERS,MEDIA", help="as --download, from the repository at other addresses"
    )


def add_max_bad(parser: argparse.ArgumentParser) -> None:
    """`--max-bad`: how many clips may be unusable."""
    parser.add_argument(
        "--max-bad",
        type=percent,
        default=MAX_BAD_PERCENT,
        metavar="PERCENT",
        help=f"stop if more of the clips cannot be used; default {MAX_BAD_PERCENT:g}",
    )


def add_tracking_uri(parser: argparse.ArgumentParser) -> None:
    """`--tracking-uri`: address of MLflow."""
    parser.add_argument(
        "--tracking-uri", metavar="URI", help="MLflow; default MLFLOW_TRACKING_URI, else SQLite in this folder"
    )


def add_ray_address(parser: argparse.ArgumentParser, *, more: str = "") -> None:
    """`--ray-address`: a running Ray."""
    parser.add_argument(
        "--ray-address", metavar="ADDRESS", help=f"a running Ray{more}; default RAY_ADDRESS, else a local one"
    )


def add_home(parser: argparse.ArgumentParser, *, default: Path | None = DEFAULT_HOME) -> None:
    """`--home`: where features, journals and checkpoints lie."""
    parser.add_argument(
        "--home",
        type=Path,
        default=default,
        help="features, journals and checkpoints; default SER_HOME, else .ser",
    )


def percent(text: str) -> float:
    """A percentage as it is given on the command line.

    Raises:
        ArgumentTypeError: no number from 0 to 100.
    """
    try:
        share = float(text)
    except ValueError:
        share = float("nan")
    if not 0 <= share <= 100:
        raise argparse.ArgumentTypeError(f"must be a number of percent in [0, 100], got '{text}'")
    return share


def positive_whole_number(text: str) -> int:
    """A count as it is given on the command line.

    Raises:
        ArgumentTypeError: no whole number from 1 on.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, 1 or more, got '{text}'")
    return int(text)
