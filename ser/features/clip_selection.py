"""Selection of the clips for training and test: readable ones without known faults, each recording once."""

from collections.abc import Callable, Mapping, Sequence

from rich.console import Console

from ser.audio import AudioFacts
from ser.console import print_clips
from ser.corpora.base import Clip, CorpusChoice
from ser.corpora.faults import find_known_faults
from ser.features.duplicates import DuplicatePairs, exclude_duplicates


def select_clips(
    clips: Sequence[Clip],
    facts: Mapping[str, AudioFacts],
    *,
    choice: CorpusChoice,
    find_duplicates: Callable[[Sequence[Clip]], DuplicatePairs],
    console: Console,
) -> tuple[tuple[Clip, ...], DuplicatePairs]:
    """Select the clips to be used, and print those that are excluded.

    Args:
        clips: clips of the corpus.
        facts: facts of the readable clips, by name.
        choice: `known_faults` decides if faulty clips and duplicates are excluded.
        find_duplicates: function of clips that returns the names of those that are one recording, in pairs.
        console: where to print.

    Returns:
        The selected clips, and the pairs of them that are one recording.
    """
    clips = tuple(clip for clip in clips if clip.name in facts)
    if choice.known_faults == "keep":
        return clips, find_duplicates(clips)
    faulty = find_known_faults(clips, facts)
    clips = _exclude(faulty, clips, "faulty clips are excluded (corpus.known_faults=keep keeps them)", console)
    duplicates = exclude_duplicates(clips, find_duplicates(clips))
    return _exclude(duplicates, clips, "clips are excluded because another is the same recording", console), ()


def _exclude(reasons: Mapping[str, str], clips: Sequence[Clip], heading: str, console: Console) -> tuple[Clip, ...]:
    if reasons:
        print_clips(console, heading, [f"{name}: {reason}" for name, reason in reasons.items()])
    return tuple(clip for clip in clips if clip.name not in reasons)
