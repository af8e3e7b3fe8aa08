"""Extract the features of a corpus into the store by Ray tasks, for sweeps to come; what is there stays.

    python tune/extract_features.py --download
    python tune/extract_features.py --corpus-dir s3://bucket/cremad

Those of the default settings; a sweep with others extracts its own.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from ser.corpora.base import CorpusChoice, CorpusError
from ser.corpora.download.cremad import OFFICIAL
from ser.distributed.cluster import ClusterError, connected
from ser.distributed.preparation import extract_all, find_clips
from ser.distributed.provision import provide
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore, StoreError
from ser.registry import UnknownNameError

REFUSED, STOPPED = 2, 130


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--corpus", default="cremad", help="cremad (default), ravdess, savee, tess or synthetic")
    add("--corpus-dir", metavar="PLACE", help="folder or URL of the corpus (s3://, http://); default data/<corpus>")
    add(
        "--download",
        dest="download_from",
        action="store_const",
        const=OFFICIAL,
        help="fetch CREMA-D into the folder first, or what is missing",
    )
    add("--download-from", metavar="POINTERS,MEDIA", help="as --download, from the repository at other addresses")
    add("--store", type=Path, default=Path(".ser/features"), help="default .ser/features, where sweeps look")
    add("--ray-address", metavar="ADDRESS", help="a running Ray; default RAY_ADDRESS, else a local one")
    return parser.parse_args()


def main(request: argparse.Namespace, console: Console) -> None:
    """Find the clips, then extract."""
    folder = request.corpus_dir or f"data/{request.corpus}"
    provide(request.corpus, folder, download_from=request.download_from, console=console)
    clips = find_clips(CorpusChoice(name=request.corpus), folder, console)
    with connected(request.ray_address):
        extract_all(clips, FeatureStore(request.store.resolve()), Pipeline(), console)


if __name__ == "__main__":
    console = Console(highlight=False, soft_wrap=True)
    try:
        main(arguments(), console)
    except (CorpusError, StoreError, ClusterError, UnknownNameError) as error:
        console.print(f"error: {error}", markup=False)
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        console.print("Stopped. What was fetched and extracted is kept.")
        sys.exit(STOPPED)
