"""Extract the features of a corpus into the store by Ray tasks, for sweeps to come; what is there stays.

    python tune/extract_features.py --download
    python tune/extract_features.py --corpus-dir s3://bucket/cremad

Those of the default settings; a sweep with others extracts its own. --prune removes those that neither these settings
nor those of a sweep in --home name; with --store it needs --home too.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from ser.commands.corpus_acquisition import provide
from ser.commands.feature_pruning import prune
from ser.corpora.base import CORPORA, CorpusChoice, CorpusError
from ser.corpora.download.cremad import OFFICIAL
from ser.distributed.cluster import connected
from ser.distributed.preparation import extract_all, find_clips, quarantine_of
from ser.errors import UserError
from ser.features.pipeline import Pipeline
from ser.features.quarantine import MAX_BAD_PERCENT, percent
from ser.features.store import FeatureStore
from ser.paths import DEFAULT_HOME, default_corpus_dir
from ser.settings.ranges import SettingError

REFUSED, STOPPED = 2, 130


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--corpus", default="cremad", help=f"{', '.join(CORPORA)}; default cremad")
    add(
        "--corpus-dir",
        metavar="PLACE",
        help="folder or URL of the corpus (s3://, http://); default <corpus> in SER_DATA, else in data",
    )
    add(
        "--download",
        dest="download_from",
        action="store_const",
        const=OFFICIAL,
        help="fetch CREMA-D into the folder first, or what is missing",
    )
    add("--download-from", metavar="POINTERS,MEDIA", help="as --download, from the repository at other addresses")
    add("--home", type=Path, help="of sweeps: features and journals; default SER_HOME, else .ser")
    add("--store", type=Path, help="default features in --home, where sweeps look")
    add(
        "--max-bad",
        type=percent,
        default=MAX_BAD_PERCENT,
        metavar="PERCENT",
        help="stop if more of the clips cannot be used; default 1",
    )
    add("--prune", action="store_true", help="then remove the entries that no settings in use name")
    add("--ray-address", metavar="ADDRESS", help="a running Ray; default RAY_ADDRESS, else a local one")
    given = parser.parse_args()
    if given.prune and given.store is not None and given.home is None:
        parser.error(
            "--prune with --store needs --home too: what the sweeps there need is kept, all else in the store goes"
        )
    given.home = given.home or DEFAULT_HOME
    return given


def main(request: argparse.Namespace, console: Console) -> None:
    """Find the clips, then extract."""
    folder = request.corpus_dir or default_corpus_dir(request.corpus)
    provide(request.corpus, folder, download_from=request.download_from, console=console)
    choice, pipeline = CorpusChoice(name=request.corpus), Pipeline()
    store = FeatureStore((request.store or request.home / "features").resolve())
    clips = find_clips(choice, folder, console)
    with connected(request.ray_address):
        quarantine = quarantine_of(choice, store, request.max_bad)
        extract_all(clips, store, pipeline, console, quarantine=quarantine)
    if request.prune:
        prune(store, request.home, pipeline, console)


if __name__ == "__main__":
    console = Console(highlight=False, soft_wrap=True)
    try:
        main(arguments(), console)
    except (CorpusError, UserError, SettingError) as error:
        console.print(f"error: {error}", markup=False)
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        console.print("Stopped. What was fetched and extracted is kept.")
        sys.exit(STOPPED)
