"""Clips that cannot be used fairly, found from their bytes and not from a list."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ser.audio import AudioFacts
from ser.corpora.base import Clip


def find_known_faults(clips: Sequence[Clip], facts: Mapping[str, AudioFacts]) -> dict[str, str]:
    """Name -> reason of every clip that is silent, or byte-identical to one with another label.

    Of an identical pair both go, because which label is right cannot be known. Identical clips with one label
    are no fault here: they are one take, of which later all but one are left out (`exclude_duplicates`).

    Args:
        clips: the clips of one corpus.
        facts: the facts of each clip by its name.

    Raises:
        KeyError: a clip without facts.
    """
    alike: defaultdict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        alike[facts[clip.name].digest].append(clip)
    reasons: dict[str, str] = {}
    for clip in clips:
        fact = facts[clip.name]
        rivals = [other for other in alike[fact.digest] if other.emotion != clip.emotion]
        if fact.silent:
            reasons[clip.name] = "every sample is zero"
        elif rivals:
            others = ", ".join(f"{other.name} ({other.emotion})" for other in rivals)
            reasons[clip.name] = f"labelled {clip.emotion}, but the same bytes as {others}"
    return reasons
