"""Contract of every experiment: its flat form, its ranges, and the shipped plans."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ser.corpora.base import CORPORA
from ser.experiment.bundle import build_network
from ser.experiment.experiment import Experiment, all_cells, default_experiment, from_flat
from ser.paths import list_plan_names
from ser.settings.ranges import Choice, Floats, Ints, Range, Subset, Value
from ser.splits.split import list_splits
from ser.sweep.plan import Plan
from ser.sweep.plan_files import parse_plan, read_plan
from ser.sweep.study import Study

CELLS = all_cells()
PLANS = Path(__file__).resolve().parents[2] / "tune" / "plans"
PLAN_NAMES = list_plan_names(PLANS)
each_cell = pytest.mark.parametrize("cell", CELLS)
each_plan = pytest.mark.parametrize("name", PLAN_NAMES)


def drawn(allowed: Range, rng: np.random.Generator) -> Value:
    """A value of the range: one of its ends in one of four draws."""
    if isinstance(allowed, Choice):
        return allowed.options[rng.integers(len(allowed.options))]
    if isinstance(allowed, Subset):
        return allowed.searched_options[rng.integers(len(allowed.searched_options))]
    assert isinstance(allowed, Floats | Ints)
    if rng.random() < 0.25:
        return (allowed.low, allowed.high)[rng.integers(2)]
    if isinstance(allowed, Ints):
        return int(rng.integers((allowed.high - allowed.low) // allowed.step + 1)) * allowed.step + allowed.low
    if allowed.log:
        return min(
            allowed.high, max(allowed.low, float(np.exp(rng.uniform(np.log(allowed.low), np.log(allowed.high)))))
        )
    return float(rng.uniform(allowed.low, allowed.high))


def as_mlflow_has_it(experiment: Experiment) -> dict[str, str]:
    return {name: str(value) for name, value in experiment.flat().items()}


def assert_goes_there_and_back(experiment: Experiment) -> None:
    assert from_flat(experiment.flat()) == experiment
    assert from_flat(as_mlflow_has_it(experiment)) == experiment
    assert from_flat(json.loads(json.dumps(experiment.flat()))) == experiment
    assert from_flat(as_mlflow_has_it(experiment)).flat() == experiment.flat()


def test_eight_cells_five_corpora_and_nine_splits_are_found():
    assert len(CELLS) == 8
    assert CORPORA.names() == ["cremad", "ravdess", "savee", "synthetic", "tess"]
    assert len(list_splits()) == 9


@each_cell
def test_defaults_of_every_corpus_and_split_go_there_and_back(cell):
    for corpus, split in product(CORPORA, list_splits()):
        experiment = default_experiment(CELLS[cell], corpus=corpus).with_values({"split.name": split})
        assert (experiment.corpus.name, experiment.split.name) == (corpus, split)
        assert_goes_there_and_back(experiment)


@each_cell
def test_random_values_of_every_range_go_there_and_back(cell):
    rng = np.random.default_rng(list(CELLS).index(cell))
    base = default_experiment(CELLS[cell])
    for _ in range(10):
        values = {name: drawn(allowed, rng) for name, allowed in base.searched().items()}
        experiment = base.with_values(values)
        assert values.items() <= experiment.flat().items()
        assert experiment.cell == base.cell
        assert_goes_there_and_back(experiment)


@each_cell
def test_settings_that_are_never_searched_go_there_and_back_too(cell):
    changes: dict[str, Value] = {
        "training.patience": 3,
        "training.max_epochs": 11,
        "split.fold": 4,
        "corpus.known_faults": "keep",
    }
    experiment = default_experiment(CELLS[cell]).with_values({**changes, "model.width": 0.3})
    assert changes.items() <= experiment.flat().items()
    assert_goes_there_and_back(experiment)


@each_cell
def test_flat_values_are_plain_and_of_the_declared_type(cell):
    for setting in default_experiment(CELLS[cell]).settings().values():
        assert type(setting.value) in (bool, int, float, str)
        assert isinstance(setting.value, setting.type)
        assert setting.range.find_broken_rule(setting.value) is None


@each_cell
def test_every_range_can_be_searched_and_holds_its_default(cell):
    experiment = default_experiment(CELLS[cell])
    for name, allowed in experiment.searched().items():
        value = experiment.flat()[name]
        if isinstance(allowed, Subset):
            assert value in allowed.searched_options, name
            assert all(allowed.find_broken_rule(option) is None for option in allowed.searched_options), name
        elif isinstance(allowed, Choice):
            assert len(set(allowed.options)) == len(allowed.options) > 1, name
        else:
            assert isinstance(allowed, Floats | Ints), name
            assert allowed.low < allowed.high, name
            assert not allowed.log or allowed.low > 0, name
            assert allowed.find_broken_rule(allowed.high) is None, name
    study = Study({cell: experiment}, {cell: experiment.searched()}, n_startup_trials=4, seed=0)
    for number in range(3):
        _, values = study.ask("s", number)
        assert experiment.with_values(values).flat().items() >= values.items()


def test_cells_share_every_setting_that_is_not_their_own():
    own = ("cell.", "model.", "features.")
    shared = [
        {name: r for name, r in default_experiment(cell).searched().items() if not name.startswith(own)}
        for cell in CELLS.values()
    ]
    assert all(ranges == shared[0] for ranges in shared)
    assert len(shared[0]) >= 10


def test_the_shipped_plans_are_found():
    assert PLAN_NAMES == ["ablation", "ablation-2", "ablation-3", "ablation-4", "demo", "full", "quick", "table"]


@each_plan
def test_a_plan_is_of_all_cells_or_compares_variants_and_survives_the_journal(name):
    plan = read_plan(name, folder=PLANS)
    assert plan.is_ablation == (plan.cells != tuple(CELLS))
    assert len(plan.variant_experiments) == len(plan.cells) * (len(plan.variants) + 1) * plan.is_ablation
    assert plan.split in list_splits()
    assert set(plan.cell_settings) <= set(CELLS)
    assert parse_plan(json.loads(json.dumps(plan.as_dict()))) == plan


@each_plan
def test_a_plans_spaces_hold_their_defaults_and_search_something(name):
    plan = read_plan(name, folder=PLANS)
    for cell, experiment in plan.experiments.items():
        space, flat = plan.search_spaces[cell], experiment.flat()
        assert "training.lr" in space
        for searched, allowed in space.items():
            assert allowed.find_broken_rule(flat[searched]) is None, (cell, searched)
            assert not isinstance(allowed, Subset) or flat[searched] in allowed.searched_options
        for fixed, value in {**plan.settings, **plan.cell_settings.get(cell, {})}.items():
            assert flat[fixed] == value
            assert fixed not in space
        assert_goes_there_and_back(experiment)


def first_asks(plan: Plan, cell: str, n: int) -> list[Experiment]:
    experiment, space = plan.experiments[cell], plan.search_spaces[cell]
    study = Study({cell: experiment}, {cell: space}, n_startup_trials=n, seed=plan.seed)
    return [experiment.with_values(study.ask("s", number)[1]) for number in range(n)]


@pytest.mark.parametrize(("name", "cell"), list(product(["demo", "quick"], CELLS)))
def test_a_plans_first_experiments_build_networks(name, cell):
    plan = read_plan(name, folder=PLANS)
    asked = first_asks(plan, cell, 3)
    assert asked[0] == plan.experiments[cell]
    for experiment in asked:
        check_network(experiment, build_network(experiment))


@each_cell
def test_the_full_plans_experiments_build_networks(cell):
    plan = read_plan("full", folder=PLANS)
    # Without memory: at full width VGG16 alone is half a gigabyte.
    with torch.device("meta"):
        for experiment in first_asks(plan, cell, 3):
            check_network(experiment, architecture_of(experiment))


def architecture_of(experiment: Experiment) -> nn.Module:
    dimensions = experiment.features.dimensions
    return experiment.model.build(
        dimensions=dimensions, in_channels=experiment.features.n_channels, n_classes=experiment.n_classes
    )


def check_network(experiment: Experiment, model: nn.Module) -> None:
    space = experiment.features
    rows = (space.n_channels,) if space.dimensions == 1 else (1, space.n_rows)
    with torch.no_grad():
        logits = model.eval()(torch.zeros(2, *rows, space.n_frames))
    assert logits.shape == (2, experiment.n_classes)


def test_plans_differ_in_cost_as_their_names_say():
    demo, quick, full = (read_plan(name, folder=PLANS) for name in ("demo", "quick", "full"))
    assert demo.corpus == "synthetic"
    assert quick.corpus == full.corpus == "cremad"
    assert demo.max_epochs < quick.max_epochs < full.max_epochs
    assert demo.trials_per_cell < quick.trials_per_cell < full.trials_per_cell
