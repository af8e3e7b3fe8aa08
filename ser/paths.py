"""Default places: sweeps and features in SER_HOME, corpora in SER_DATA."""

import os
from pathlib import Path

DEFAULT_HOME = Path(os.environ.get("SER_HOME") or ".ser")


def default_corpus_dir(corpus: str) -> str:
    """Folder or URL of the corpus of this name.

    Example:
        >>> default_corpus_dir("cremad")
        'data/cremad'
    """
    return f"{(os.environ.get('SER_DATA') or 'data').rstrip('/')}/{corpus}"


def list_plan_names(folder: Path) -> list[str]:
    """Names of the plans in `folder`, sorted."""
    return sorted(path.stem for path in folder.glob("*.toml"))
