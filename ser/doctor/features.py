"""Checks of the corpus and of the feature store: contents and damaged entries."""

import os
from collections.abc import Iterator, Sequence

from rich.console import Console

from ser.audio import LFS_POINTER_START
from ser.console import show_clip_progress
from ser.corpora.base import CORPORA, Clip, CorpusError, describe_completeness
from ser.corpora.locations import Location, exists, get_name, is_remote, read_bytes, resolve_location
from ser.doctor.finding import Finding, fine, format_size, problem, problem_from, warning
from ser.features.store import FeatureStore
from ser.paths import default_corpus_dir


def corpus_finding(name: str, folder: Location | None) -> tuple[Finding, int | None]:
    """Check the folder of a corpus.

    Args:
        name: name of the corpus.
        folder: folder or URL of the corpus; None for the default folder, which may be missing.

    Returns:
        The finding, and the number of clips; None where it is not known.
    """
    place = os.fspath(folder or default_corpus_dir(name))
    corpus = CORPORA[name]
    if folder is None and not exists(place):
        return _report_absent(name, place), None
    try:
        scan = corpus().scan(place)
        # Behind a URL each clip costs a request.
        pointers = [clip for clip in scan.clips[: 1 if is_remote(place) else None] if _is_pointer(clip)]
    except CorpusError as error:
        return problem_from("corpus", error), None
    except OSError as error:
        found = f"{error.filename} cannot be read ({error.strerror})"
        return problem("corpus", found, remedy="correct its permissions, or give another --corpus-dir"), None
    found = f"{name} in {place}: {describe_completeness(corpus, scan.clips)}"
    if pointers:
        return problem(
            "corpus",
            f"{found}; {len(pointers):,} of them are Git LFS pointers, not sound, as {get_name(pointers[0].location)}",
            remedy="replace them by the sound files"
            if is_remote(place)
            else f"git -C {resolve_location(place)} lfs pull",
        ), len(scan.clips)
    for reason, names in scan.excluded.items():
        found += f"; {len(names):,} more files are excluded: {reason}"
    if scan.misnamed:
        found += f"; {len(scan.misnamed):,} more files are excluded: their names are not names of clips"
    return fine("corpus", found), len(scan.clips)


def store_findings(store: FeatureStore, console: Console) -> Iterator[Finding]:
    """Check every entry of the feature store by its checksum, and list the unfinished files of killed writers."""
    keys = sorted(store.keys())
    damaged = _find_damaged(store, keys, console)
    paths = [store.path(key) for key in keys]
    n_bytes = sum(path.stat().st_size for path in paths if path.exists())
    if damaged:
        yield warning(
            "features",
            f"{len(damaged):,} of {len(keys):,} entries in {store.root} are damaged, such as {damaged[0]}",
            remedy="they count as missing and will be computed again; --fix removes them",
            fix=lambda: _remove_damaged(store, damaged),
        )
    else:
        yield fine("features", f"{len(keys):,} entries in {store.root}, {format_size(n_bytes)}, none damaged")
    abandoned = store.abandoned()
    if abandoned:
        yield warning(
            "features",
            f"{len(abandoned):,} unfinished files of killed processes in {store.root}",
            remedy="nothing needs them: the next extraction removes them, or use --fix",
            fix=lambda: f"removed {store.clean():,} unfinished files",
        )


def _report_absent(name: str, place: str) -> Finding:
    if name == "synthetic":
        return fine("corpus", "synthetic: the sweep generates it")
    or_download = ", or start the sweep with --download" if name == "cremad" else ""
    return warning("corpus", f"{name}: there is no {place}", remedy=f"give its folder with --corpus-dir{or_download}")


def _is_pointer(clip: Clip) -> bool:
    return read_bytes(clip.location, at_most=len(LFS_POINTER_START)) == LFS_POINTER_START


def _find_damaged(store: FeatureStore, keys: Sequence[str], console: Console) -> list[str]:
    damaged = []
    with show_clip_progress(console, len(keys)) as show_progress:
        for n_read, key in enumerate(keys, start=1):
            if store.read(key) is None and store.path(key).exists():
                damaged.append(key)
            show_progress(n_read, len(damaged))
    return damaged


def _remove_damaged(store: FeatureStore, damaged: Sequence[str]) -> str:
    still_damaged = [key for key in damaged if store.read(key) is None]
    for key in still_damaged:
        store.path(key).unlink(missing_ok=True)
    return f"removed {len(still_damaged):,} damaged entries"
