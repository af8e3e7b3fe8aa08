"""Known faults of a corpus: silent clips, and identical files with two labels; found without a list of names."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ser.audio import AudioFacts
from ser.corpora.base import Clip


def find_known_faults(clips: Sequence[Clip], facts: Mapping[str, AudioFacts]) -> dict[str, str]:
    """Find the clips that are silent, or byte-identical to a clip with another label.

    Both clips of an identical pair are faulty, because it cannot be known which label is right. Identical clips with
    the same label are no fault here: they are one recording, of which `exclude_duplicates` excludes all but one.

    Args:
        clips: the clips of one corpus.
        facts: facts of each clip by its name.

    Returns:
        Name -> reason.

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
