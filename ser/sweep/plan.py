"""A sweep as data: what `tune/plans/*.toml` and the command line say, checked before Ray starts."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from ser.corpora.base import CorpusChoice
from ser.errors import UserError
from ser.experiment.experiment import Cell, Experiment, all_cells, default_experiment
from ser.features.spaces import stored_settings
from ser.settings.declaration import narrow_range
from ser.settings.ranges import Choice, Floats, Ints, Range, SettingError, Value
from ser.settings.registry import describe_unknown_name
from ser.splits.split import Split
from ser.sweep.journal import BASELINE

SEARCHES = ("per-cell", "global")
_RULES: dict[str, Range] = {
    "trials_per_cell": Ints(1, 100_000),
    "max_epochs": Ints(1, 500),
    "grace_epochs": Ints(1, 500),
    "reduction": Ints(2, 100),
    "search": Choice(SEARCHES),
    "seed": Ints(0, 2**31 - 1),
    "cpus_per_trial": Floats(0.01, 1024),
    "gpus_per_trial": Floats(0, 64),
    "checkpoint_every_s": Floats(0, 3600),
    "final_seeds": Ints(0, 100),
}
ALL_FOLDS = "all"
LIST_KEYS = ("final_folds", "final_splits")
# Settings that are keys of a plan too: the key alone sets them.
_KEYS = {"corpus.name": "corpus", "split.name": "split", "training.max_epochs": "max_epochs", "training.seed": "seed"}


@dataclass(frozen=True)
class Plan:
    """A whole sweep.

    Attributes:
        cells: names of the compared networks, in the order of their turns.
        settings: dotted settings fixed for every cell that has them.
        cell_settings: dotted settings fixed for one cell, by its name.
        ranges: narrower ranges to search, [low, high] or the options, by dotted name.
        grace_epochs: epochs before which no trial is stopped.
        reduction: one in `reduction` trials passes a rung.
        cpus_per_trial: processor cores, and threads, of each trial.
        gpus_per_trial: share of a GPU of each trial, where the cluster has any; 0 trains on the processor.
        checkpoint_every_s: seconds of training that a death of a trial's process may cost at most.
        final_seeds: seeds of the final evaluation, which trains the best configuration of each cell anew on every
            split, fold and seed; 0 for none.
        final_folds: 'all', or the folds of the final evaluation.
        final_splits: its splits; none named: the sweep's.
        variants: dotted settings that each variant changes, by its name. With any, the plan is an ablation: there is no
            search, and each cell as the plan's settings have it, the baseline, and each of its variants are trained on
            all final splits, folds and seeds and compared on validation clips.
    """

    corpus: str = "cremad"
    split: str = "assignment"
    cells: tuple[str, ...] = ()
    trials_per_cell: int = 8
    max_epochs: int = 40
    grace_epochs: int = 4
    reduction: int = 3
    search: str = "per-cell"
    seed: int = 0
    cpus_per_trial: float = 1
    gpus_per_trial: float = 0.25
    checkpoint_every_s: float = 20.0
    final_seeds: int = 0
    final_folds: str | tuple[int, ...] = ALL_FOLDS
    final_splits: tuple[str, ...] = ()
    settings: dict[str, Value] = field(default_factory=dict)
    cell_settings: dict[str, dict[str, Value]] = field(default_factory=dict)
    ranges: dict[str, list[Value]] = field(default_factory=dict)
    variants: dict[str, dict[str, Value]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.cells:
            raise UserError("a sweep needs a cell: name some in cells, or say 'all'")
        for cell in (*self.cells, *self.cell_settings):
            if cell not in all_cells():
                raise describe_unknown_name("cell", cell, list(all_cells()))
        for name, allowed in _RULES.items():
            rule = allowed.find_broken_rule(getattr(self, name))
            if rule is not None:
                raise UserError(f"{name} must {rule}, got {getattr(self, name)!r}")
        folds = self.final_folds
        if folds != ALL_FOLDS and not (isinstance(folds, tuple) and folds and all(map(_is_fold, folds))):
            raise UserError(f"final_folds must be '{ALL_FOLDS}' or some of 0 to 4, got {folds!r}")
        splits: Any = self.final_splits
        if not (isinstance(splits, tuple) and all(isinstance(name, str) and name for name in splits)):
            raise UserError(f"final_splits must be names of splits, got {splits!r}")
        for name in LIST_KEYS:
            given = getattr(self, name)
            if isinstance(given, tuple):  # each once, however often it is named
                object.__setattr__(self, name, tuple(dict.fromkeys(given)))

    @property
    def is_ablation(self) -> bool:
        """Whether variants are compared, instead of a search."""
        return bool(self.variants)

    @property
    def corpus_choice(self) -> CorpusChoice:
        """The corpus of all its experiments, and how it is used."""
        return next(iter(self.experiments.values())).corpus

    @property
    def search_split(self) -> Split:
        """The split of the search."""
        return next(iter(self.experiments.values())).split

    @property
    def n_searched(self) -> int:
        """Trials of the search, in all cells; none of an ablation."""
        return 0 if self.is_ablation else self.trials_per_cell * len(self.cells)

    @property
    def n_startup_trials(self) -> int:
        """Random trials of each study before TPE leads: a third of them, from 2 to 10."""
        n_trials = self.n_searched if self.search == "global" else self.trials_per_cell
        return min(10, max(2, n_trials // 3))

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON can hold it; `plan_from` reads it back."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @cached_property
    def search_spaces(self) -> dict[str, dict[str, Range]]:
        """What is searched in each cell: all of its ranges, narrowed by the plan, but for what it fixes.

        Raises:
            UserError: a narrower range that does not fit, or of a setting that is never searched.
        """
        return {cell: self._space(cell, experiment) for cell, experiment in self.experiments.items()}

    def validate(self) -> None:
        """Refuse what only the networks' own settings show to be wrong.

        Raises:
            UserError: as `search_spaces` and `variant_experiments` raise it.
        """
        _ = self.search_spaces, self.variant_experiments

    def fixed(self, cell: str) -> set[str]:
        """Names of the settings that the plan, or a variant of it, fixes for a cell."""
        varied = {name for changes in self.variants.values() for name in changes}
        return {*self.settings, *self.cell_settings.get(cell, {}), *varied}

    def _space(self, cell: str, experiment: Experiment) -> dict[str, Range]:
        fixed = self.fixed(cell)
        known = experiment.settings()
        for name in self.ranges:
            if name in known and not known[name].range.searched:
                raise UserError(f"{name} is never searched: fix it under settings, not under ranges")
        space = {name: allowed for name, allowed in experiment.searched().items() if name not in fixed}
        narrower = {name: narrow_range(known[name], part) for name, part in self.ranges.items() if name in space}
        return space | narrower

    @cached_property
    def experiments(self) -> dict[str, Experiment]:
        """The defaults of each cell with the plan's settings.

        Raises:
            UserError: a setting that no chosen cell has, one that a key of the plan sets, one of a single cell that
                all must share, or a value that does not fit.
        """
        common: dict[str, Value] = {name: getattr(self, key) for name, key in _KEYS.items()}
        for name in (name for part in (self.settings, *self.cell_settings.values()) for name in part if name in common):
            raise UserError(f"{name} is set by the plan's {_KEYS[name]} (--{_KEYS[name].replace('_', '-')}) alone")
        made = {name: self._experiment(all_cells()[name], common) for name in self.cells}
        self._refuse_unused(made)
        self._refuse_unlike(made)
        return made

    @property
    def trained_experiments(self) -> dict[tuple[str, str], Experiment]:
        """What is trained, by cell and variant ('' where there are none), before a search changes it."""
        return self.variant_experiments or {(cell, ""): experiment for cell, experiment in self.experiments.items()}

    @cached_property
    def variant_experiments(self) -> dict[tuple[str, str], Experiment]:
        """What an ablation trains, by cell and variant; its split, fold and seed aside. Nothing of another plan.

        Raises:
            UserError: no seeds, a variant that changes nothing, or what all must share, or that does not fit.
        """
        if not self.is_ablation:
            return {}
        if not self.final_seeds:
            raise UserError(
                "an ablation (a plan with variants) needs seeds: set final_seeds or --final-seeds to 1 or more"
            )
        if self.ranges:
            raise UserError("an ablation (a plan with variants) searches nothing: leave away its ranges")
        made = {}
        for cell, experiment in self.experiments.items():
            made[cell, BASELINE] = experiment
            for variant, changes in self.variants.items():
                made[cell, variant] = _varied(experiment, variant, changes)
        return made

    def _experiment(self, cell: Cell, common: Mapping[str, Value]) -> Experiment:
        experiment = default_experiment(cell, corpus=self.corpus)
        known = experiment.settings()
        shared = {name: value for name, value in self.settings.items() if name in known}
        return experiment.with_values({**common, **shared, **self.cell_settings.get(cell.name, {})})

    def _refuse_unused(self, experiments: Mapping[str, Experiment]) -> None:
        known = sorted({name for experiment in experiments.values() for name in experiment.settings()})
        for name in (*self.settings, *self.ranges):
            if name not in known:
                raise describe_unknown_name("setting", name, known)

    def _refuse_unlike(self, experiments: Mapping[str, Experiment]) -> None:
        """All cells see the same clips, and those of one dimension share what is stored of them."""
        for cell, experiment in experiments.items():
            shared = {f"features.{name}" for name in stored_settings(experiment.features)}
            for name in self.cell_settings.get(cell, {}):
                if name in shared or name.startswith(("corpus.", "split.")):
                    raise UserError(f"{name} is the same for all cells: fix it under settings, not for {cell} alone")


def _varied(experiment: Experiment, variant: str, changes: Mapping[str, Value]) -> Experiment:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", variant) or variant == BASELINE:
        raise UserError(
            f"a variant's name is made of small letters, digits, '.' and '-', and is not '{BASELINE}', got '{variant}'"
        )
    for name in changes:
        if name.startswith(("corpus.", "split.")) or name in _KEYS:
            raise UserError(f"{name} is the same for all variants: variant '{variant}' cannot change it")
    try:
        varied = experiment.with_values(changes)
    except SettingError as error:
        raise UserError(f"variant '{variant}': {error}") from None
    if varied == experiment:
        raise UserError(f"variant '{variant}' changes nothing of {experiment.cell.name}: give it another value")
    return varied


def _is_fold(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 4
