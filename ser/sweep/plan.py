"""Plan of a sweep, from `tune/plans/*.toml` and the command line; checked before Ray starts."""

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
    """Plan of a whole sweep; its fields are the keys of a plan file.

    Attributes:
        corpus: name of the corpus.
        split: name of the split of the search.
        cells: names of the compared networks, in the order of their turns.
        trials_per_cell: trials of the search in each cell.
        max_epochs: epochs of the longest training.
        grace_epochs: epochs before which no trial is stopped.
        reduction: one in `reduction` trials passes a rung.
        search: `per-cell` for one study per cell, `global` for one study of all cells.
        seed: seed of the search and of its trainings.
        cpus_per_trial: processor cores, and threads, of each trial.
        gpus_per_trial: share of a GPU of each trial, where the cluster has any; 0 trains on the processor.
        checkpoint_every_s: seconds of training that are lost at most when the process of a trial dies.
        final_seeds: number of seeds of the final evaluation, which trains the best configuration of each cell again on
            every split and fold with each seed; 0 for none.
        final_folds: 'all', or the folds of the final evaluation.
        final_splits: splits of the final evaluation; where empty, the split of the search.
        settings: settings fixed for every cell that has them, by dotted name.
        cell_settings: settings fixed for one cell, by dotted name, by the name of the cell.
        ranges: narrower ranges to search, [low, high] or the options, by dotted name.
        variants: settings that each variant changes, by dotted name, by the name of the variant. A plan with variants
            is an ablation and has no search: each cell with the plan's settings (the baseline) and with those of each
            variant is trained on all final splits, folds and seeds, and compared on validation clips.

    Raises:
        UserError: no cell, or a field that breaks its rule.
        SettingError: the name of a cell is unknown.
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
            raise UserError("a sweep needs a cell", "name some in cells, or give 'all'")
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
            if isinstance(given, tuple):  # a name given twice counts once
                object.__setattr__(self, name, tuple(dict.fromkeys(given)))

    @property
    def is_ablation(self) -> bool:
        """True where the plan compares variants instead of searching."""
        return bool(self.variants)

    @property
    def corpus_choice(self) -> CorpusChoice:
        """Corpus of all experiments, and which of its clips are used."""
        return next(iter(self.experiments.values())).corpus

    @property
    def search_split(self) -> Split:
        """Split of the search, with its fold and seed."""
        return next(iter(self.experiments.values())).split

    @property
    def n_searched(self) -> int:
        """Number of trials of the search in all cells; 0 for an ablation."""
        return 0 if self.is_ablation else self.trials_per_cell * len(self.cells)

    @property
    def n_startup_trials(self) -> int:
        """Random trials of each study before TPE chooses: a third of its trials, at least 2, at most 10."""
        n_trials = self.n_searched if self.search == "global" else self.trials_per_cell
        return min(10, max(2, n_trials // 3))

    def as_dict(self) -> dict[str, Any]:
        """Plan in the form of JSON; `parse_plan` reads it back."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @cached_property
    def search_spaces(self) -> dict[str, dict[str, Range]]:
        """Searched ranges of each cell, narrowed by the plan; settings that the plan fixes are omitted.

        Raises:
            UserError: a narrower range that does not fit, or of a setting that is never searched.
        """
        return {cell: self._search_space(cell, experiment) for cell, experiment in self.experiments.items()}

    def validate(self) -> None:
        """Refuse what can only be checked with the settings of the networks.

        Raises:
            UserError: as `search_spaces` and `variant_experiments` raise it.
        """
        _ = self.search_spaces, self.variant_experiments

    def fixed(self, cell: str) -> set[str]:
        """Names of the settings that the plan, or one of its variants, fixes for a cell."""
        changed = {name for changes in self.variants.values() for name in changes}
        return {*self.settings, *self.cell_settings.get(cell, {}), *changed}

    def _search_space(self, cell: str, experiment: Experiment) -> dict[str, Range]:
        fixed = self.fixed(cell)
        known = experiment.settings()
        for name in self.ranges:
            if name in known and not known[name].range.searched:
                raise UserError(f"{name} is never searched", "fix it under settings, not under ranges")
        space = {name: allowed for name, allowed in experiment.searched().items() if name not in fixed}
        narrower = {name: narrow_range(known[name], given) for name, given in self.ranges.items() if name in space}
        return space | narrower

    @cached_property
    def experiments(self) -> dict[str, Experiment]:
        """Defaults of each cell with the plan's settings, by the name of the cell.

        Raises:
            UserError: a setting that no chosen cell has, that another key of the plan sets, or that is given for one
                cell but must be the same for all; or a value that does not fit.
        """
        common: dict[str, Value] = {name: getattr(self, key) for name, key in _KEYS.items()}
        given = [name for settings in (self.settings, *self.cell_settings.values()) for name in settings]
        for name in (name for name in given if name in common):
            raise UserError(f"{name} is set by the plan's {_KEYS[name]} (--{_KEYS[name].replace('_', '-')}) alone")
        experiments = {name: self._make_experiment(all_cells()[name], common) for name in self.cells}
        self._refuse_unknown(experiments)
        self._refuse_unequal(experiments)
        return experiments

    @property
    def trained_experiments(self) -> dict[tuple[str, str], Experiment]:
        """Trained experiments, by cell and variant ('' without variants), before a search changes them."""
        return self.variant_experiments or {(cell, ""): experiment for cell, experiment in self.experiments.items()}

    @cached_property
    def variant_experiments(self) -> dict[tuple[str, str], Experiment]:
        """Experiments of an ablation, by cell and variant, without final split, fold and seed; empty for a search.

        Raises:
            UserError: no seeds, ranges to search, or a variant that changes nothing, changes what must be the same for
                all, or does not fit.
        """
        if not self.is_ablation:
            return {}
        if not self.final_seeds:
            raise UserError(
                "an ablation (a plan with variants) needs seeds", "set final_seeds or --final-seeds to 1 or more"
            )
        if self.ranges:
            raise UserError("an ablation (a plan with variants) searches nothing", "omit its ranges")
        experiments = {}
        for cell, experiment in self.experiments.items():
            experiments[cell, BASELINE] = experiment
            for variant, changes in self.variants.items():
                experiments[cell, variant] = _apply_variant(experiment, variant, changes)
        return experiments

    def _make_experiment(self, cell: Cell, common: Mapping[str, Value]) -> Experiment:
        experiment = default_experiment(cell, corpus=self.corpus)
        known = experiment.settings()
        shared = {name: value for name, value in self.settings.items() if name in known}
        return experiment.with_values({**common, **shared, **self.cell_settings.get(cell.name, {})})

    def _refuse_unknown(self, experiments: Mapping[str, Experiment]) -> None:
        known = sorted({name for experiment in experiments.values() for name in experiment.settings()})
        for name in (*self.settings, *self.ranges):
            if name not in known:
                raise describe_unknown_name("setting", name, known)

    def _refuse_unequal(self, experiments: Mapping[str, Experiment]) -> None:
        """Refuse settings of one cell that decide on clips or stored features, which all cells share."""
        for cell, experiment in experiments.items():
            shared = {f"features.{name}" for name in stored_settings(experiment.features)}
            for name in self.cell_settings.get(cell, {}):
                if name in shared or name.startswith(("corpus.", "split.")):
                    raise UserError(f"{name} is the same for all cells", f"fix it under settings, not for {cell} alone")


def _apply_variant(experiment: Experiment, variant: str, changes: Mapping[str, Value]) -> Experiment:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", variant) or variant == BASELINE:
        raise UserError(
            f"a variant's name must be made of lower-case letters, digits, '.' and '-', and not be '{BASELINE}', "
            f"got '{variant}'"
        )
    for name in changes:
        if name.startswith(("corpus.", "split.")) or name in _KEYS:
            raise UserError(f"{name} is the same for all variants", f"remove it from variant '{variant}'")
    try:
        varied = experiment.with_values(changes)
    except SettingError as error:
        raise UserError(f"variant '{variant}': {error.problem}", error.remedy) from None
    if varied == experiment:
        raise UserError(f"variant '{variant}' changes nothing of {experiment.cell.name}", "give it another value")
    return varied


def _is_fold(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 4
