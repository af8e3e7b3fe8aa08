"""Planned trainings: the splits, folds and seeds of a final evaluation or an ablation.

A final evaluation trains the best configuration of each cell, an ablation each of its variants.

Each seed initialises the training differently; the split `assignment`, which has no folds, is re-drawn for each seed
too. Clips of the search's validation part are removed from the test parts, because the selection was made on them. A
fold that would lose most of its test clips in this way is omitted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ser.corpora.base import Clip
from ser.errors import UserError
from ser.settings.ranges import Value
from ser.settings.registry import describe_unknown_name
from ser.splits.manifests import load_manifests
from ser.splits.split import (
    ASSIGNMENT,
    NO_SELECTION,
    Split,
    find_selection_clips,
    format_selection,
    list_splits,
    partition,
)
from ser.sweep.journal import BASELINE, Asked
from ser.sweep.plan import Plan


@dataclass(frozen=True)
class PlannedTraining:
    """One planned training of each cell: of its best configuration, or of its defaults as a variant changes them.

    Attributes:
        split: split with its fold and seed.
        seed: seed of the training.
        variant: name of the ablation's variant; '' in a final evaluation.
        changes: settings that the variant changes, by their dotted names.
    """

    split: Split
    seed: int
    variant: str = ""
    changes: Mapping[str, Value] = field(default_factory=dict)

    def values(self) -> dict[str, Value]:
        """Settings that the training fixes, by their dotted names."""
        split = self.split
        return {
            **self.changes,
            "split.name": split.name,
            "split.fold": split.fold,
            "split.seed": split.seed,
            "split.selection": split.selection,
            "training.seed": self.seed,
        }

    def matches(self, asked: Asked) -> bool:
        """Check whether a trial of the journal is this training."""
        return asked.variant == self.variant and all(asked.values.get(k) == v for k, v in self.values().items())


def plan_trainings(plan: Plan) -> list[PlannedTraining]:
    """List the trainings of a plan, the first seed of every split and fold before the second.

    Raises:
        UserError: a fold that none of the splits has, or a variant that is not valid.
        SettingError: the name of a split is unknown.
    """
    names = plan.final_splits or (plan.split,)
    for name in names:
        if name not in list_splits():
            raise describe_unknown_name("split", name, list_splits())
    n_folds = max(load_manifests()[name].n_folds for name in names)
    for fold in () if isinstance(plan.final_folds, str) else plan.final_folds:
        if fold >= n_folds:
            raise UserError(
                f"final_folds (--folds) must be below {n_folds}, the folds of {', '.join(names)}; got {fold}"
            )
    plan.validate()
    # An ablation follows no search, so that nothing was selected on any of its clips.
    selection = NO_SELECTION if plan.is_ablation else format_selection(plan.search_split)
    variants: dict[str, Mapping[str, Value]] = {BASELINE: {}, **plan.variants} if plan.is_ablation else {"": {}}
    return [
        PlannedTraining(
            Split(name=name, fold=fold, seed=_split_seed(name, seed), selection=selection), seed, variant, changes
        )
        for seed in range(plan.final_seeds)
        for name in names
        for fold in _list_folds(plan, name)
        for variant, changes in variants.items()
    ]


@dataclass(frozen=True)
class Selection:
    """Result of `select_trainings`.

    Attributes:
        kept: trainings whose test part was not used for selection.
        omitted: reasons why other trainings are omitted, each once, ready to be printed.
    """

    kept: tuple[PlannedTraining, ...]
    omitted: tuple[str, ...]


def select_trainings(
    trainings: Sequence[PlannedTraining],
    clips: Sequence[Clip],
    digests: Mapping[str, str] | None = None,
    duplicates: Sequence[tuple[str, str]] = (),
) -> Selection:
    """Omit the trainings whose test clips mostly belong to the search's validation part.

    Args:
        trainings: all that the plan has.
        clips: clips of the corpus that can be used.
        digests: digest of the bytes of each clip, by its name, to find identical files in two parts.
        duplicates: pairs of names of clips that hold the same recording.

    Raises:
        UserError: a split does not fit the clips, or leaks.
    """
    kept: list[PlannedTraining] = []
    omitted: dict[str, None] = {}
    for training in trainings:
        split = training.split
        whole = partition(clips, replace(split, selection=NO_SELECTION), digests=digests, duplicates=duplicates)
        seen = find_selection_clips(clips, split)
        n_seen = sum(clips[at].name in seen for at in whole.test)
        if 2 * n_seen > len(whole.test):
            part = f"seed {training.seed}" if split.name == ASSIGNMENT else f"fold {split.fold}"
            omitted[
                f"{split.name} {part} is omitted: selection on {split.selection} has seen {n_seen:,} of its "
                f"{len(whole.test):,} test clips"
            ] = None
        else:
            partition(clips, split, digests=digests, duplicates=duplicates)
            kept.append(training)
    return Selection(tuple(kept), tuple(omitted))


def _split_seed(name: str, seed: int) -> int:
    return seed if name == ASSIGNMENT else 0


def _list_folds(plan: Plan, name: str) -> list[int]:
    n_folds = load_manifests()[name].n_folds
    if n_folds == 1 or isinstance(plan.final_folds, str):
        return list(range(n_folds))
    return [fold for fold in plan.final_folds if fold < n_folds]
