"""A corpus that is not there yet, made before its clips are looked for."""

from pathlib import Path

from ser.corpora.locations import Location, is_remote
from ser.corpora.synthetic import make_synthetic


def provide(corpus: str, folder: Location) -> None:
    """Make the synthetic corpus in a local folder; others, and those behind a URL, are as they are.

    Raises:
        CorpusError: `folder` holds other recordings, or was made with other settings.
    """
    if corpus == "synthetic" and not is_remote(folder):
        make_synthetic(Path(folder))
