"""Which clips of a corpus are trained and tested on: those that can be read, none that is faulty, no take twice."""

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
    duplicates_of: Callable[[Sequence[Clip]], DuplicatePairs],
    console: Console,
) -> tuple[tuple[Clip, ...], DuplicatePairs]:
    """The clips that are left, and the names of every two of them that are one take; what is left out is told.

    Args:
        clips: of the corpus.
        facts: of those that can be read, by name.
        choice: whether faulty clips are left out.
        duplicates_of: the names of every two of some clips that are one take.
        console: told.
    """
    clips = tuple(clip for clip in clips if clip.name in facts)
    if choice.known_faults == "keep":
        return clips, duplicates_of(clips)
    faulty = find_known_faults(clips, facts)
    clips = _without(faulty, clips, "faulty clips are left out (corpus.known_faults=keep keeps them)", console)
    doubled = exclude_duplicates(clips, duplicates_of(clips))
    return _without(doubled, clips, "clips are left out because another is the same take", console), ()


def _without(reasons: Mapping[str, str], clips: Sequence[Clip], what: str, console: Console) -> tuple[Clip, ...]:
    if reasons:
        print_clips(console, what, [f"{name}: {reason}" for name, reason in reasons.items()])
    return tuple(clip for clip in clips if clip.name not in reasons)
