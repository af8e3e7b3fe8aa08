"""The gate that every partition passes: no part is empty, and nothing lies on both sides."""

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations

from ser.corpora.base import Clip
from ser.splits.manifests import manifests
from ser.splits.parts import Partition, SplitError


def check(partition: Partition, clips: Sequence[Clip], digests: Mapping[str, str] | None) -> None:
    """Refuse a partition that would make a figure worthless.

    Args:
        partition: three parts of `clips`.
        clips: the clips that were split, in the same order.
        digests: digest of each clip's file by its name; None where the files have not been read yet.

    Raises:
        SplitError: an empty part, the same clip or the same bytes in two parts, or, where the split is
            speaker-independent, the same speaker in two parts.
    """
    _check_not_empty(partition, clips)
    _check_apart(partition, "clip", [clip.name for clip in clips], "this is a fault of the split: report it")
    if partition.kind == "speaker-independent":
        remedy = "this is a fault of its actor lists: use another split"
        _check_apart(partition, "speaker", [clip.speaker for clip in clips], remedy)
    if digests is not None:
        _check_same_sound(partition, clips, digests)


def _check_not_empty(partition: Partition, clips: Sequence[Clip]) -> None:
    for part, positions in partition.parts.items():
        if not positions:
            raise SplitError(
                f"{partition.name} has no {part} clip among the {len(clips):,} clips found: {_needs(partition, part)}"
            )


def _needs(partition: Partition, part: str) -> str:
    """What the split would need, and what can be done instead."""
    manifest = manifests().get(partition.name)
    if manifest is None:
        return "it needs at least 3 clips of one emotion; give a corpus with more clips"
    actors = sorted(manifest.actors(partition.fold)[part])
    shown = ", ".join(actors[:3]) + (", …" if len(actors) > 3 else "")
    others = " or ".join(name for name in ("speaker-5fold", "assignment") if name != partition.name)
    return f"its {len(actors)} {part} actors ({shown}) are missing; use {others}, or get the full corpus"


def _check_apart(partition: Partition, what: str, keys: Sequence[Hashable], remedy: str) -> None:
    for (one, here), (other, there) in combinations(partition.parts.items(), 2):
        both = {keys[at] for at in here} & {keys[at] for at in there}
        if both:
            shown = ", ".join(sorted(map(str, both))[:3])
            raise SplitError(f"{partition.name} leaks: {what} {shown} is in both {one} and {other}; {remedy}")


def _check_same_sound(partition: Partition, clips: Sequence[Clip], digests: Mapping[str, str]) -> None:
    first: dict[str, tuple[str, str]] = {}
    for part, positions in partition.parts.items():
        for name in (clips[at].name for at in positions):
            other_part, other = first.setdefault(digests[name], (part, name))
            if other_part != part:
                raise SplitError(
                    f"{partition.name} leaks: {other} in {other_part} and {name} in {part} are the same "
                    "file; set corpus.known_faults=drop where their labels differ, or remove one of them"
                )
