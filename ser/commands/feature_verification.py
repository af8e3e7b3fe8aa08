"""Compare features in the store with librosa's functions, on clips of the user's own corpus."""

from collections.abc import Mapping, Sequence

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from ser.audio import AudioError, decode, digest_of
from ser.console import print_line, show_clip_progress
from ser.corpora.base import Clip
from ser.features.batch import read_sound
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore

TOLERANCE = 1e-4
"""Largest deviation that counts as agreement, as a share of the feature's largest value in the clip."""


def verify_features(
    clips: Sequence[Clip], store: FeatureStore, pipeline: Pipeline, *, n_clips: int, console: Console
) -> bool:
    """Print the largest deviation of each stored feature from librosa's, and return True if all agree.

    Args:
        clips: clips of the corpus; those that cannot be used are skipped.
        store: the feature store with their features.
        pipeline: the pipeline that computed the features.
        n_clips: number of clips to compare, evenly spaced over the corpus.
        console: where to print.

    Raises:
        UserError: an entry has been removed since the extraction.
    """
    places = np.unique(np.linspace(0, len(clips) - 1, min(n_clips, len(clips))).round().astype(int))
    n_compared, worst = _find_largest_deviations([clips[place] for place in places], store, pipeline, console)
    console.print(_make_table(n_compared, worst))
    deviating = [name for name, (deviation, _) in worst.items() if not deviation <= TOLERANCE]
    if deviating or not worst:
        print_line(
            console, f"Deviates by more than {TOLERANCE:g}: {', '.join(deviating) or 'no clip could be compared'}"
        )
        return False
    print_line(console, f"All {len(worst)} features agree with librosa within {TOLERANCE:g}.")
    return True


def _find_largest_deviations(
    clips: Sequence[Clip], store: FeatureStore, pipeline: Pipeline, console: Console
) -> tuple[int, dict[str, tuple[float, str]]]:
    """Number of compared clips; by feature the largest deviation and its clip."""
    from ser.commands.librosa_comparison import compare_with_librosa  # librosa takes seconds to import

    worst: dict[str, tuple[float, str]] = {}
    n_compared = 0
    with show_clip_progress(console, len(clips), label="Comparison of") as progress:
        for n_done, clip in enumerate(clips, 1):
            progress(n_done, None)
            try:
                data = read_sound(clip.location)
                wave = decode(data)
            except (AudioError, OSError):
                continue
            stored = store.load(digest_of(data), pipeline).features
            n_compared += 1
            for name, deviation in compare_with_librosa(wave, stored, pipeline).items():
                worst[name] = max(worst.get(name, (-1.0, "")), (deviation, clip.name))
    return n_compared, worst


def _make_table(n_compared: int, worst: Mapping[str, tuple[float, str]]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        caption=f"{n_compared:,} clips; deviation as a share of the feature's largest value in the clip",
    )
    table.add_column("feature")
    table.add_column("largest deviation from librosa", justify="right")
    table.add_column("in clip")
    for name, (deviation, clip_name) in worst.items():
        table.add_row(name, f"{deviation:.1e}", clip_name)
    return table
