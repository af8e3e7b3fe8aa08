"""Leak gate that every partition passes: no part is empty, no clip is in two parts, no test clip was seen before."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import combinations

from ser.corpora.base import Clip
from ser.errors import UserError
from ser.splits.manifests import Lists, load_manifests
from ser.splits.partition import CLAIMS, Partition


def check_partition(
    partition: Partition,
    clips: Sequence[Clip],
    digests: Mapping[str, str] | None,
    duplicates: Sequence[tuple[str, str]] = (),
) -> None:
    """Refuse a partition with an empty part, or with a leak from one part to another.

    Args:
        partition: three parts of `clips`.
        clips: all clips of the corpus, in the order of the partition's positions.
        digests: digest of each clip's file by its name; None if the files have not been read yet.
        duplicates: pairs of names of clips that are one recording, perhaps at another gain, cut, or with noise.

    Raises:
        UserError: an empty part, the same clip, file or recording in two parts, or a speaker or sentence in two parts
            of a split that claims to separate them.
    """
    _check_not_empty(partition, clips)
    _check_separate(partition, "clip", [clip.name for clip in clips], "this is a fault of the split, report it")
    for claim in CLAIMS[partition.kind]:
        remedy = "this is a fault of its lists, use another split"
        _check_separate(partition, claim, [getattr(clip, claim) for clip in clips], remedy)
    if digests is not None:
        _check_same_sound(partition, clips, digests)
    _check_duplicates(partition, clips, duplicates)


def check_unseen(
    partition: Partition,
    clips: Sequence[Clip],
    seen: AbstractSet[str],
    digests: Mapping[str, str] | None,
    duplicates: Sequence[tuple[str, str]] = (),
) -> None:
    """Refuse test clips that an earlier selection has seen.

    Args:
        partition: three parts of `clips`.
        clips: all clips of the corpus, in the order of the partition's positions.
        seen: names of the validation clips of that selection.
        digests: digest of each clip's file by its name, or None.
        duplicates: pairs of names of clips that are one recording.

    Raises:
        UserError: a test clip, its file or its recording under another name was among them.
    """
    sounds = set() if digests is None else {digests[name] for name in seen}
    known = {*seen, *(name for pair in duplicates if not seen.isdisjoint(pair) for name in pair)}
    for clip in (clips[at] for at in partition.test):
        if clip.name in known or (digests is not None and digests[clip.name] in sounds):
            raise UserError(
                f"{partition.name} leaks: selection saw test clip {clip.name}",
                "name in split.selection the split that was selected on",
            )


def check_fitted(partition: Partition, clips: Sequence[Clip], fitted: Mapping[str, Iterable[int]]) -> None:
    """Refuse figures of a network if any step of its training was fitted on test clips.

    Args:
        partition: three parts of `clips`.
        clips: all clips of the corpus, in the order of the partition's positions.
        fitted: positions of the clips that each step was fitted on: `normalisation`, `selection`, ...

    Raises:
        UserError: a step was fitted on a test clip.
    """
    tested = set(partition.test)
    for step, positions in fitted.items():
        both = sorted(tested.intersection(map(int, positions)))
        if both:
            examples = ", ".join(clips[at].name for at in both[:3])
            raise UserError(
                f"{partition.name} leaks: {step} saw {len(both):,} test clips ({examples})",
                "fit it on training or validation clips",
            )


def check_predictions(split: str, rows: Sequence[Mapping[str, str]], selected: AbstractSet[str] = frozenset()) -> None:
    """Refuse to report predictions with a leak. The check needs only the predictions, not the corpus.

    Args:
        split: name of the split.
        rows: predictions of a trial: `clip`, `part` and `speaker` of each.
        selected: names of the validation clips that the trial's configuration was selected on; none for the search.

    Raises:
        UserError: a clip is in both parts, a speaker is in both parts of a split that claims to separate speakers, or
            selection saw a test clip.
    """
    names = {part: {row["clip"] for row in rows if row["part"] == part} for part in ("validation", "test")}
    speakers = {part: {row["speaker"] for row in rows if row["part"] == part} for part in ("validation", "test")}
    shared = {
        "clip {} is in both validation and test": names["validation"] & names["test"],
        "selection saw test clip {}": selected & names["test"],
    }
    if "speaker" in CLAIMS[load_manifests()[split].kind]:
        shared["speaker {} is in both validation and test"] = speakers["validation"] & speakers["test"]
    for template, both in shared.items():
        if both:
            raise UserError(f"these predictions leak: {template.format(min(both))}", f"evaluate {split} again")


def _check_not_empty(partition: Partition, clips: Sequence[Clip]) -> None:
    for part, positions in partition.parts.items():
        if not positions:
            raise _describe_empty_part(partition, part, len(clips))


def _describe_empty_part(partition: Partition, part: str, n_clips: int) -> UserError:
    problem = f"{partition.name} has no {part} clip among the {n_clips:,} clips found"
    manifest = load_manifests().get(partition.name)
    if manifest is None or not manifest.claims:
        return UserError(f"{problem}, it needs at least 3 of one emotion", "give a corpus with more clips")
    lists = {
        kind: sorted(rule.members(partition.fold)[part])
        for kind, rule in (("actors", manifest.speakers), ("sentences", manifest.sentences))
        if isinstance(rule, Lists)
    }
    listed = " or ".join(
        f"{len(names)} {part} {kind} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
        for kind, names in lists.items()
    )
    others = " or ".join(name for name in ("speaker-5fold-present", "assignment") if name != partition.name)
    return UserError(f"{problem}, its {listed} are missing", f"use {others}, or get the full corpus")


def _check_separate(partition: Partition, name: str, keys: Sequence[Hashable], remedy: str) -> None:
    for (one, here), (other, there) in combinations(partition.parts.items(), 2):
        both = {keys[at] for at in here} & {keys[at] for at in there}
        if both:
            examples = ", ".join(sorted(map(str, both))[:3])
            raise UserError(f"{partition.name} leaks: {name} {examples} is in both {one} and {other}", remedy)


def _check_same_sound(partition: Partition, clips: Sequence[Clip], digests: Mapping[str, str]) -> None:
    first: dict[str, tuple[str, str]] = {}
    for part, positions in partition.parts.items():
        for name in (clips[at].name for at in positions):
            other_part, other = first.setdefault(digests[name], (part, name))
            if other_part != part:
                raise UserError(
                    f"{partition.name} leaks: {other} in {other_part} and {name} in {part} are the same file",
                    "set corpus.known_faults=drop, which excludes duplicates, or remove one of them",
                )


def _check_duplicates(partition: Partition, clips: Sequence[Clip], duplicates: Sequence[tuple[str, str]]) -> None:
    part_of = {clips[at].name: part for part, positions in partition.parts.items() for at in positions}
    for one, other in duplicates:
        here, there = part_of.get(one), part_of.get(other)
        if here and there and here != there:
            raise UserError(
                f"{partition.name} leaks: {one} in {here} and {other} in {there} are the same recording",
                "set corpus.known_faults=drop, or remove one of them",
            )
