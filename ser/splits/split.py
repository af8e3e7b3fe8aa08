"""How a corpus is cut into training, validation and test: named, reproducible, and checked for leaks."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated

from ser.corpora.base import Clip
from ser.errors import UserError
from ser.settings.declaration import settings
from ser.settings.ranges import Ints, Text
from ser.settings.registry import unknown_name
from ser.splits.leaks import check, check_unseen
from ser.splits.manifests import Manifest, load_manifests
from ser.splits.partition import PART_NAMES, Partition, digest_of

ASSIGNMENT = "assignment"
NOTHING = "none"


@settings
class Split:
    """Which split; `fold` is for splits that have several, `seed` for `assignment`, which draws at random.

    Where something was selected before (a configuration, by a search), `selection` says on which split, as
    name/fold/seed: clips that its validation part held are no test clips any more.
    """

    name: Annotated[str, Text()] = ASSIGNMENT
    fold: Annotated[int, Ints(0, 4, searched=False)] = 0
    seed: Annotated[int, Ints(0, 2**31 - 1, searched=False)] = 0
    selection: Annotated[str, Text()] = NOTHING


def split_names() -> list[str]:
    """The names that `Split.name` may have, sorted."""
    return sorted(load_manifests())


def selection_of(split: Split) -> str:
    """What `Split.selection` says of a selection on `split`."""
    return f"{split.name}/{split.fold}/{split.seed}"


def partition(
    clips: Sequence[Clip],
    split: Split,
    *,
    digests: Mapping[str, str] | None = None,
    duplicates: Sequence[tuple[str, str]] = (),
) -> Partition:
    """Cut `clips` into the three parts of `split` and pass them through the leak gate.

    `assignment`: 30 % test and 5 % of the rest validation, of each emotion (at least one clip each), drawn by
    the hash of seed and name. The others: by the lists of their manifest.

    Args:
        clips: clips of one corpus; their order does not change which clip is where.
        split: name, fold, seed, and what was selected on before.
        digests: digest of each clip's file by its name; without it the gate cannot see identical files.
        duplicates: names of every two clips that are one take, as far as that is known.

    Raises:
        SettingError: no split has this name.
        UserError: a fold the split does not have, a speaker or sentence its lists do not know, or a refusal of the
            gate.
    """
    parts, manifest = _cut(clips, split), load_manifests()[split.name]
    seen = seen_by_selection(clips, split)
    tested, unseen = parts["test"], tuple(at for at in parts["test"] if clips[at].name not in seen)
    if tested and not unseen:
        raise UserError(
            f"selection on {split.selection} has seen all {len(tested):,} test clips of {split.name} fold "
            f"{split.fold}: they test nothing any more; use another fold"
        )
    parts["test"] = unseen
    made = Partition(split.name, manifest.kind, split.fold, **parts, digest=digest_of(parts, clips))
    check(made, clips, digests, duplicates)
    check_unseen(made, clips, seen, digests, duplicates)
    return made


def seen_by_selection(clips: Sequence[Clip], split: Split) -> frozenset[str]:
    """Names of the clips that selected before this split tests: the validation part of `split.selection`.

    Raises:
        UserError: `split.selection` does not have its form, or is of a split that does not fit the clips.
    """
    if split.selection == NOTHING:
        return frozenset()
    name, *numbers = split.selection.split("/")
    if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        raise UserError(
            f"split.selection must be '{NOTHING}' or name/fold/seed, as in {selection_of(Split())}; "
            f"got '{split.selection}'"
        )
    fold, seed = map(int, numbers)
    return frozenset(clips[at].name for at in _cut(clips, Split(name=name, fold=fold, seed=seed))["validation"])


def describe_missing(clips: Sequence[Clip], split: Split) -> str:
    """What the lists of a split name and the corpus lacks, as one line; '' where nothing is missing."""
    manifest = load_manifests()[split.name]
    lines = []
    for claim in manifest.claims:
        there = {getattr(clip, claim) for clip in clips}
        members = manifest.members(claim, clips, split.fold)
        counts = [f"{len(listed & there)} of {len(listed)} {part}" for part, listed in members.items()]
        if any(listed - there for listed in members.values()):
            lines.append(f"{', '.join(counts)} {claim}s are there")
    return "; ".join(lines)


def _cut(clips: Sequence[Clip], split: Split) -> dict[str, tuple[int, ...]]:
    if split.name not in split_names():
        raise unknown_name("split", split.name, split_names())
    manifest = load_manifests()[split.name]
    if split.fold >= manifest.n_folds:
        raise UserError(f"{split.name} has {manifest.n_folds} fold: split.fold must be 0, got {split.fold}")
    return _by_lists(clips, manifest, split.fold) if manifest.claims else _by_emotion(clips, split.seed)


def _by_emotion(clips: Sequence[Clip], seed: int) -> dict[str, tuple[int, ...]]:
    of_emotion: defaultdict[str, list[int]] = defaultdict(list)
    for position, clip in enumerate(clips):
        of_emotion[clip.emotion].append(position)
    parts: dict[str, list[int]] = {part: [] for part in PART_NAMES}
    for positions in of_emotion.values():
        positions.sort(key=lambda at: hashlib.sha256(f"{seed}:{clips[at].name}".encode()).digest())
        n_test, n_validation = _sizes(len(positions))
        parts["test"] += positions[:n_test]
        parts["validation"] += positions[n_test : n_test + n_validation]
        parts["train"] += positions[n_test + n_validation :]
    return {part: tuple(sorted(positions)) for part, positions in parts.items()}


def _sizes(n_clips: int) -> tuple[int, int]:
    """Test and validation clips out of `n_clips` of one emotion, rounded half up in whole numbers."""
    n_test = max(1, (3 * n_clips + 5) // 10)
    return n_test, max(1, (n_clips - n_test + 10) // 20)


def _by_lists(clips: Sequence[Clip], manifest: Manifest, fold: int) -> dict[str, tuple[int, ...]]:
    """A clip is in the part that all of the manifest's lists put it in, in none where they differ."""
    part_of = {
        claim: {member: part for part, listed in manifest.members(claim, clips, fold).items() for member in listed}
        for claim in manifest.claims
    }
    members: dict[str, list[int]] = {part: [] for part in PART_NAMES}
    for position, clip in enumerate(clips):
        parts = {_part_of(clip, claim, known, manifest) for claim, known in part_of.items()}
        if len(parts) == 1 and clip.name not in manifest.left_out:
            members[parts.pop()].append(position)
    return {part: tuple(positions) for part, positions in members.items()}


def _part_of(clip: Clip, claim: str, known: Mapping[str, str], manifest: Manifest) -> str:
    value = getattr(clip, claim)
    if value not in known:
        raise UserError(
            f"{manifest.name} does not know {claim} {value}: its lists are of CREMA-D's actors 1001 to 1091 and 12 "
            f"sentences; use speaker-5fold-present or {ASSIGNMENT}"
        )
    return known[value]
