"""The trainings that are planned rather than searched: on which splits, folds and seeds each is trained anew.

In the final evaluation that is the best of each cell; in an ablation, each of its variants.

Each seed is a new beginning of the training; of `assignment`, which has no folds, it is a new draw too. Clips that the
search's validation part held are no test clips here, and a fold that would lose most of its test clips by that is left
out: what selection saw proves nothing.
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
    """One way to train each cell anew: its best configuration, or its defaults as a variant changes them."""

    split: Split
    seed: int
    variant: str = ""
    changes: Mapping[str, Value] = field(default_factory=dict)

    def values(self) -> dict[str, Value]:
        """Its settings, by their dotted names."""
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
        """Whether a trial that was asked for is this one."""
        return asked.variant == self.variant and all(asked.values.get(k) == v for k, v in self.values().items())


def plan_trainings(plan: Plan) -> list[PlannedTraining]:
    """All that the plan asks for, the first seed of every split and fold before the second.

    Raises:
        UserError: a fold that none of the splits has, or a variant that cannot be.
        SettingError: no split has one of the names.
    """
    selected = plan.search_split
    names = plan.final_splits or (plan.split,)
    for name in names:
        if name not in list_splits():
            raise describe_unknown_name("split", name, list_splits())
    most = max(load_manifests()[name].n_folds for name in names)
    for fold in () if isinstance(plan.final_folds, str) else plan.final_folds:
        if fold >= most:
            raise UserError(f"final_folds (--folds) must be below {most}, the folds of {', '.join(names)}; got {fold}")
    plan.validate()
    # No search has seen any clip before an ablation.
    selection = NO_SELECTION if plan.is_ablation else format_selection(selected)
    variants: dict[str, Mapping[str, Value]] = {BASELINE: {}, **plan.variants} if plan.is_ablation else {"": {}}
    return [
        PlannedTraining(
            Split(name=name, fold=fold, seed=_draw(name, seed), selection=selection), seed, variant, changes
        )
        for seed in range(plan.final_seeds)
        for name in names
        for fold in _folds(plan, name)
        for variant, changes in variants.items()
    ]


@dataclass(frozen=True)
class Selection:
    """Planned trainings whose test part no choice has seen, and why others are omitted, each reason once."""

    kept: tuple[PlannedTraining, ...]
    omitted: tuple[str, ...]


def select_trainings(
    trainings: Sequence[PlannedTraining],
    clips: Sequence[Clip],
    digests: Mapping[str, str] | None = None,
    duplicates: Sequence[tuple[str, str]] = (),
) -> Selection:
    """Omit the trainings whose test part was mostly seen by the search's validation.

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
            which = f"seed {training.seed}" if split.name == ASSIGNMENT else f"fold {split.fold}"
            omitted[
                f"{split.name} {which} is omitted: selection on {split.selection} has seen {n_seen:,} of its "
                f"{len(whole.test):,} test clips"
            ] = None
        else:
            partition(clips, split, digests=digests, duplicates=duplicates)
            kept.append(training)
    return Selection(tuple(kept), tuple(omitted))


def _draw(name: str, seed: int) -> int:
    return seed if name == ASSIGNMENT else 0


def _folds(plan: Plan, name: str) -> list[int]:
    n_folds = load_manifests()[name].n_folds
    if n_folds == 1 or isinstance(plan.final_folds, str):
        return list(range(n_folds))
    return [fold for fold in plan.final_folds if fold < n_folds]
