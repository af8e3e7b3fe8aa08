"""Splits of a corpus into training, validation and test part: named, reproducible, and checked for leaks."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated

from ser.corpora.base import Clip
from ser.errors import UserError
from ser.settings.declaration import settings
from ser.settings.ranges import Ints, Text
from ser.settings.registry import describe_unknown_name
from ser.splits.leaks import check_partition, check_unseen
from ser.splits.manifests import Manifest, load_manifests
from ser.splits.partition import PART_NAMES, Partition, digest_parts

ASSIGNMENT = "assignment"
NO_SELECTION = "none"


@settings
class Split:
    """Name, fold and seed of a split, and the split of an earlier selection.

    Attributes:
        name: name of the split.
        fold: used by splits that have several.
        seed: used by `assignment`, which is random.
        selection: split on which something was selected before (a configuration, by a search), as name/fold/seed. The
            clips of its validation part are excluded from the test part.
    """

    name: Annotated[str, Text()] = ASSIGNMENT
    fold: Annotated[int, Ints(0, 4, searched=False)] = 0
    seed: Annotated[int, Ints(0, 2**31 - 1, searched=False)] = 0
    selection: Annotated[str, Text()] = NO_SELECTION


def list_splits() -> list[str]:
    """List the values that `Split.name` may have, sorted."""
    return sorted(load_manifests())


def format_selection(split: Split) -> str:
    """Value of `Split.selection` after a selection on `split`."""
    return f"{split.name}/{split.fold}/{split.seed}"


def partition(
    clips: Sequence[Clip],
    split: Split,
    *,
    digests: Mapping[str, str] | None = None,
    duplicates: Sequence[tuple[str, str]] = (),
) -> Partition:
    """Divide `clips` into the three parts of `split`, and check them for leaks.

    `assignment`: of each emotion 30 % of the clips are for test, and 5 % of the others for validation, at least one
    clip each, chosen by the hash of seed and name. The other splits follow the lists of their manifest.

    Args:
        clips: clips of one corpus; their order does not change the part of a clip.
        split: name, fold, seed, and the split of an earlier selection.
        digests: digest of each clip's file by its name; without it identical files are not found.
        duplicates: pairs of names of clips that are known to be one recording.

    Raises:
        SettingError: no split has this name.
        UserError: a fold that the split does not have, a speaker or sentence that is not in its lists, no test clip
            that the earlier selection has not seen, or a leak.
    """
    parts, manifest = _divide(clips, split), load_manifests()[split.name]
    seen = find_selection_clips(clips, split)
    tested, unseen = parts["test"], tuple(at for at in parts["test"] if clips[at].name not in seen)
    if tested and not unseen:
        raise UserError(
            f"selection on {split.selection} has seen all {len(tested):,} test clips of {split.name} fold {split.fold}",
            "use another fold",
        )
    parts["test"] = unseen
    parted = Partition(split.name, manifest.kind, split.fold, **parts, digest=digest_parts(parts, clips))
    check_partition(parted, clips, digests, duplicates)
    check_unseen(parted, clips, seen, digests, duplicates)
    return parted


def find_selection_clips(clips: Sequence[Clip], split: Split) -> frozenset[str]:
    """Find the names of the clips that the earlier selection has seen: the validation part of `split.selection`.

    Raises:
        UserError: `split.selection` does not have its form, or names a split that does not fit the clips.
    """
    if split.selection == NO_SELECTION:
        return frozenset()
    name, *numbers = split.selection.split("/")
    if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        raise UserError(
            f"split.selection must be '{NO_SELECTION}' or name/fold/seed, as in {format_selection(Split())}; "
            f"got '{split.selection}'"
        )
    fold, seed = map(int, numbers)
    return frozenset(clips[at].name for at in _divide(clips, Split(name=name, fold=fold, seed=seed))["validation"])


def describe_missing(clips: Sequence[Clip], split: Split) -> str:
    """Describe in one line the members of a split's lists that the corpus lacks; '' if none is missing."""
    manifest = load_manifests()[split.name]
    lines = []
    for claim in manifest.claims:
        present = {getattr(clip, claim) for clip in clips}
        members = manifest.members(claim, clips, split.fold)
        counts = [f"{len(listed & present)} of {len(listed)} {part}" for part, listed in members.items()]
        if any(listed - present for listed in members.values()):
            lines.append(f"{', '.join(counts)} {claim}s are there")
    return "; ".join(lines)


def _divide(clips: Sequence[Clip], split: Split) -> dict[str, tuple[int, ...]]:
    if split.name not in list_splits():
        raise describe_unknown_name("split", split.name, list_splits())
    manifest = load_manifests()[split.name]
    if split.fold >= manifest.n_folds:
        raise UserError(f"split.fold must be below {manifest.n_folds}, the folds of {split.name}, got {split.fold}")
    return _divide_by_lists(clips, manifest, split.fold) if manifest.claims else _divide_by_emotion(clips, split.seed)


def _divide_by_emotion(clips: Sequence[Clip], seed: int) -> dict[str, tuple[int, ...]]:
    positions_of: defaultdict[str, list[int]] = defaultdict(list)
    for position, clip in enumerate(clips):
        positions_of[clip.emotion].append(position)
    parts: dict[str, list[int]] = {part: [] for part in PART_NAMES}
    for positions in positions_of.values():
        positions.sort(key=lambda at: hashlib.sha256(f"{seed}:{clips[at].name}".encode()).digest())
        n_test, n_validation = _count_clips(len(positions))
        parts["test"] += positions[:n_test]
        parts["validation"] += positions[n_test : n_test + n_validation]
        parts["train"] += positions[n_test + n_validation :]
    return {part: tuple(sorted(positions)) for part, positions in parts.items()}


def _count_clips(n_clips: int) -> tuple[int, int]:
    """Number of test and of validation clips out of `n_clips` of one emotion, rounded half up."""
    n_test = max(1, (3 * n_clips + 5) // 10)
    return n_test, max(1, (n_clips - n_test + 10) // 20)


def _divide_by_lists(clips: Sequence[Clip], manifest: Manifest, fold: int) -> dict[str, tuple[int, ...]]:
    """Put each clip into the part on which all lists of the manifest agree, and into none if they differ."""
    part_of = {
        claim: {member: part for part, listed in manifest.members(claim, clips, fold).items() for member in listed}
        for claim in manifest.claims
    }
    members: dict[str, list[int]] = {part: [] for part in PART_NAMES}
    for position, clip in enumerate(clips):
        parts = {_find_part(clip, claim, known, manifest) for claim, known in part_of.items()}
        if len(parts) == 1 and clip.name not in manifest.excluded:
            members[parts.pop()].append(position)
    return {part: tuple(positions) for part, positions in members.items()}


def _find_part(clip: Clip, claim: str, known: Mapping[str, str], manifest: Manifest) -> str:
    value = getattr(clip, claim)
    if value not in known:
        raise UserError(
            f"{manifest.name} has lists of CREMA-D's actors 1001 to 1091 and 12 sentences, got {claim} {value}",
            f"use speaker-5fold-present or {ASSIGNMENT}",
        )
    return known[value]
