"""The corpus and the feature store: what is there, and what of it is damaged."""

import os
from collections.abc import Iterator, Sequence

from rich.console import Console

from ser.audio import LFS_POINTER_START
from ser.console import show_clip_progress
from ser.corpora.base import CORPORA, Clip, CorpusError, describe_completeness
from ser.corpora.locations import Location, exists, get_name, is_remote, read_bytes, resolve_location
from ser.doctor.finding import Finding, fine, problem, refused, size, warning
from ser.features.store import FeatureStore
from ser.paths import default_corpus_dir


def corpus_finding(name: str, folder: Location | None) -> tuple[Finding, int | None]:
    """What the corpus's folder holds, and the number of clips, where that is known.

    Args:
        name: of the corpus.
        folder: of the corpus; None for the default one, which need not be there.
    """
    place = os.fspath(folder or default_corpus_dir(name))
    corpus = CORPORA[name]
    if folder is None and not exists(place):
        return _absent(name, place), None
    try:
        scan = corpus().scan(place)
        # Behind a URL each look is a request.
        pointers = [clip for clip in scan.clips[: 1 if is_remote(place) else None] if _is_pointer(clip)]
    except CorpusError as error:
        return refused("corpus", error), None
    except OSError as error:
        found = f"{error.filename} cannot be read ({error.strerror})"
        return problem("corpus", found, remedy="mend its permissions, or give another --corpus-dir"), None
    found = f"{name} in {place}: {describe_completeness(corpus, scan.clips)}"
    if pointers:
        return problem(
            "corpus",
            f"{found}; {len(pointers):,} of them are Git LFS pointers, not sound, as {get_name(pointers[0].location)}",
            remedy="upload the sound in their place"
            if is_remote(place)
            else f"git -C {resolve_location(place)} lfs pull",
        ), len(scan.clips)
    for reason, names in scan.excluded.items():
        found += f"; {len(names):,} more files are left out: {reason}"
    if scan.misnamed:
        found += f"; {len(scan.misnamed):,} more files do not bear a clip's name and are left out"
    return fine("corpus", found), len(scan.clips)


def store_findings(store: FeatureStore, console: Console) -> Iterator[Finding]:
    """Every entry is read and its checksum compared; what a killed writer left is named."""
    keys = sorted(store.keys())
    damaged = _damaged(store, keys, console)
    paths = [store.path(key) for key in keys]
    n_bytes = sum(path.stat().st_size for path in paths if path.exists())
    if damaged:
        yield warning(
            "features",
            f"{len(damaged):,} of {len(keys):,} entries in {store.root} are damaged, as {damaged[0]}",
            remedy="they count as missing and are computed again; --fix removes them",
            fix=lambda: _remove_damaged(store, damaged),
        )
    else:
        yield fine("features", f"{len(keys):,} entries in {store.root}, {size(n_bytes)}, all whole")
    abandoned = store.abandoned()
    if abandoned:
        yield warning(
            "features",
            f"{len(abandoned):,} unfinished files in {store.root}, of writers that were killed",
            remedy="nothing needs them: the next extraction removes them, or --fix",
            fix=lambda: f"removed {store.clean():,} unfinished files",
        )


def _absent(name: str, place: str) -> Finding:
    if name == "synthetic":
        return fine("corpus", "synthetic: the sweep makes it")
    or_fetch = ", or have the sweep fetch it by --download" if name == "cremad" else ""
    return warning("corpus", f"{name}: there is no {place}", remedy=f"give its folder by --corpus-dir{or_fetch}")


def _is_pointer(clip: Clip) -> bool:
    return read_bytes(clip.location, at_most=len(LFS_POINTER_START)) == LFS_POINTER_START


def _damaged(store: FeatureStore, keys: Sequence[str], console: Console) -> list[str]:
    damaged = []
    with show_clip_progress(console, len(keys)) as tell:
        for n_read, key in enumerate(keys, start=1):
            if store.read(key) is None and store.path(key).exists():
                damaged.append(key)
            tell(n_read, len(damaged))
    return damaged


def _remove_damaged(store: FeatureStore, damaged: Sequence[str]) -> str:
    still = [key for key in damaged if store.read(key) is None]
    for key in still:
        store.path(key).unlink(missing_ok=True)
    return f"removed {len(still):,} damaged entries"
