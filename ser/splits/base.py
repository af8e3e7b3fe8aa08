"""How a corpus is cut into training, validation and test: named, reproducible, and checked for leaks."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated

from ser.corpora.base import Clip
from ser.registry import unknown_name
from ser.space import Ints, Text, settings
from ser.splits.leaks import check
from ser.splits.manifests import Manifest, manifests
from ser.splits.parts import PART_NAMES, Kind, Partition, SplitError, digest_of

__all__ = ["ASSIGNMENT", "Kind", "Partition", "Split", "SplitError", "partition", "split_names"]

ASSIGNMENT = "assignment"


@settings
class Split:
    """Which split; `fold` is for splits that have several, `seed` for `assignment`, which draws at random."""

    name: Annotated[str, Text()] = ASSIGNMENT
    fold: Annotated[int, Ints(0, 4, searched=False)] = 0
    seed: Annotated[int, Ints(0, 2**31 - 1, searched=False)] = 0


def split_names() -> list[str]:
    """The names that `Split.name` may have, sorted."""
    return sorted([ASSIGNMENT, *manifests()])


def partition(clips: Sequence[Clip], split: Split, *, digests: Mapping[str, str] | None = None) -> Partition:
    """Cut `clips` into the three parts of `split` and pass them through the leak gate.

    `assignment`: 30 % test and 5 % of the rest validation, of each emotion (at least one clip each), drawn by
    the hash of seed and name. The others: by the actor lists of CREMA-D.

    Args:
        clips: clips of one corpus; their order does not change which clip is where.
        split: name, fold and seed.
        digests: digest of each clip's file by its name; without it the gate cannot see identical files.

    Raises:
        UnknownNameError: no split has this name.
        SplitError: a fold the split does not have, a speaker its lists do not know, or a refusal of the gate.
    """
    if split.name not in split_names():
        raise unknown_name("split", split.name, split_names())
    manifest = manifests().get(split.name)
    n_folds = 1 if manifest is None else len(manifest.folds)
    if split.fold >= n_folds:
        raise SplitError(f"{split.name} has {n_folds} fold: split.fold must be 0, got {split.fold}")
    parts = _by_emotion(clips, split.seed) if manifest is None else _by_speaker(clips, manifest, split)
    kind: Kind = "speaker-dependent" if manifest is None else "speaker-independent"
    made = Partition(split.name, kind, split.fold, **parts, digest=digest_of(parts, clips))
    check(made, clips, digests)
    return made


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


def _by_speaker(clips: Sequence[Clip], manifest: Manifest, split: Split) -> dict[str, tuple[int, ...]]:
    part_of = {actor: part for part, actors in manifest.actors(split.fold).items() for actor in actors}
    stranger = next((clip.speaker for clip in clips if clip.speaker not in part_of), None)
    if stranger is not None:
        raise SplitError(
            f"{split.name} does not know speaker {stranger}: its lists are of CREMA-D's actors 1001 to 1091; "
            f"use {ASSIGNMENT}"
        )
    members: dict[str, list[int]] = {part: [] for part in PART_NAMES}
    for position, clip in enumerate(clips):
        if clip.name not in manifest.left_out:
            members[part_of[clip.speaker]].append(position)
    return {part: tuple(positions) for part, positions in members.items()}
