"""The trainings that are planned rather than searched: on which splits, folds and seeds each is trained anew.

In the final evaluation that is the best of each cell; in an ablation, each of its variants.

Each seed is a new beginning of the training; of `assignment`, which has no folds, it is a new draw too. Clips that the
search's validation part held are no test clips here, and a fold that would lose most of its test clips by that is left
out: what selection saw proves nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ser.corpora.base import Clip
from ser.errors import UserError
from ser.settings.ranges import Value
from ser.settings.registry import unknown_name
from ser.splits.manifests import manifests
from ser.splits.split import ASSIGNMENT, NOTHING, Split, partition, seen_by_selection, selection_of, split_names
from ser.sweep.journal import BASELINE, Asked
from ser.sweep.plan import Plan


@dataclass(frozen=True)
class Final:
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

    def is_of(self, asked: Asked) -> bool:
        """Whether a trial that was asked for is this one."""
        return asked.variant == self.variant and all(asked.values.get(k) == v for k, v in self.values().items())


def planned(plan: Plan) -> list[Final]:
    """All that the plan asks for, the first seed of every split and fold before the second.

    Raises:
        UserError: a fold that none of the splits has, or a variant that cannot be.
        SettingError: no split has one of the names.
    """
    selected = next(iter(plan.experiments().values())).split
    names = plan.final_splits or (plan.split,)
    for name in names:
        if name not in split_names():
            raise unknown_name("split", name, split_names())
    most = max(manifests()[name].n_folds for name in names)
    for fold in () if isinstance(plan.final_folds, str) else plan.final_folds:
        if fold >= most:
            raise UserError(f"final_folds (--folds) must be below {most}, the folds of {', '.join(names)}; got {fold}")
    plan.varied()
    # No search has seen any clip before an ablation.
    selection = NOTHING if plan.is_ablation else selection_of(selected)
    variants: dict[str, Mapping[str, Value]] = {BASELINE: {}, **plan.variants} if plan.is_ablation else {"": {}}
    return [
        Final(Split(name=name, fold=fold, seed=_draw(name, seed), selection=selection), seed, variant, changes)
        for seed in range(plan.final_seeds)
        for name in names
        for fold in _folds(plan, name)
        for variant, changes in variants.items()
    ]


def fitting(
    finals: Sequence[Final],
    clips: Sequence[Clip],
    digests: Mapping[str, str] | None = None,
    twins: Sequence[tuple[str, str]] = (),
) -> Iterator[Final | str]:
    """Each of `finals` whose test part selection has left alone, else a sentence that says why it is left out.

    Raises:
        UserError: a split does not fit the clips, or leaks.
    """
    for final in finals:
        whole = partition(clips, replace(final.split, selection=NOTHING), digests=digests, twins=twins)
        seen = seen_by_selection(clips, final.split)
        n_seen = sum(clips[at].name in seen for at in whole.test)
        if 2 * n_seen > len(whole.test):
            which = f"seed {final.seed}" if final.split.name == ASSIGNMENT else f"fold {final.split.fold}"
            yield (
                f"{final.split.name} {which} is left out: selection on {final.split.selection} has seen {n_seen:,} of "
                f"its {len(whole.test):,} test clips"
            )
        else:
            partition(clips, final.split, digests=digests, twins=twins)
            yield final


def _draw(name: str, seed: int) -> int:
    return seed if name == ASSIGNMENT else 0


def _folds(plan: Plan, name: str) -> list[int]:
    n_folds = manifests()[name].n_folds
    if n_folds == 1 or isinstance(plan.final_folds, str):
        return list(range(n_folds))
    return [fold for fold in plan.final_folds if fold < n_folds]
