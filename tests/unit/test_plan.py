"""Plans: what they mean, and what is refused before Ray starts."""

import json
from pathlib import Path
from typing import Any

import pytest

from ser.errors import UserError
from ser.experiment.experiment import all_cells
from ser.settings.ranges import Floats
from ser.sweep.plan import Plan
from ser.sweep.plan_files import parse_cells, parse_plan, read_plan, with_settings

CELLS = ("lenet5-1d", "sercnn-2d")


def plan(**values: Any) -> Plan:
    return Plan(**{"cells": CELLS, **values})


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"cells": ()}, "a sweep needs a cell"),
        ({"cells": ("vgg-1d",)}, "unknown cell 'vgg-1d': did you mean 'vgg16-1d'"),
        ({"cell_settings": {"vgg16-3d": {}}}, "unknown cell 'vgg16-3d': did you mean 'vgg16-"),
        ({"search": "random"}, "search must be one of {per-cell, global}, got 'random'"),
        ({"trials_per_cell": 0}, "trials_per_cell must lie in .*, got 0"),
        ({"trials_per_cell": 2.5}, "trials_per_cell must be a whole number, got 2.5"),
        ({"trials_per_cell": "4"}, "trials_per_cell must be a whole number, got '4'"),
        ({"max_epochs": 501}, r"max_epochs must lie in \{1..500\}, got 501"),
        ({"max_epochs": True}, "max_epochs must be a whole number, got True"),
        ({"grace_epochs": 0}, "grace_epochs must lie in"),
        ({"reduction": 1}, r"reduction must lie in \{2..100\}, got 1"),
        ({"seed": -1}, "seed must lie in"),
        ({"cpus_per_trial": 0}, "cpus_per_trial must lie in"),
        ({"gpus_per_trial": -0.5}, "gpus_per_trial must lie in"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_when_made(values, rule):
    with pytest.raises(UserError, match=rule):
        plan(**values)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"settings": {"training.lrr": 1}}, "unknown setting 'training.lrr': did you mean 'training.lr'"),
        ({"settings": {"training.lr": 5}}, r"training.lr must lie in \[1e-05, 0.01\] log, got 5"),
        ({"settings": {"training.lr": [0.001]}}, "training.lr must be float"),
        ({"settings": {"features.families": "pitch"}}, "features.families must be 'all' or names"),
        ({"settings": {"model.fc_units": 3}}, "unknown setting 'model.fc_units'"),
        ({"cell_settings": {"lenet5-1d": {"model.pooling": "attention"}}}, "unknown setting 'model.pooling'"),
        ({"settings": {"training.max_epochs": 3}}, r"is set by the plan's max_epochs \(--max-epochs\) alone"),
        ({"settings": {"corpus.name": "synthetic"}}, r"is set by the plan's corpus \(--corpus\) alone"),
        ({"cell_settings": {"lenet5-1d": {"split.name": "x"}}}, r"is set by the plan's split \(--split\) alone"),
        ({"settings": {"training.seed": 3}}, r"is set by the plan's seed \(--seed\) alone"),
        ({"cell_settings": {"lenet5-1d": {"split.fold": 1}}}, "split.fold is the same for all cells"),
        ({"cell_settings": {"sercnn-2d": {"features.n_mels": 40}}}, "features.n_mels is the same for all cells"),
        ({"settings": {"cell.architecture": "vgg16"}}, "the settings are of cell lenet5-1d and cannot make it"),
        ({"corpus": "crema"}, "unknown corpus 'crema': did you mean 'cremad'"),
        ({"ranges": {"model.drop": [0, 1]}}, "unknown setting 'model.drop': did you mean 'model.dropout'"),
        ({"ranges": {"training.patience": [2, 4]}}, "training.patience is never searched: fix it under settings"),
        ({"ranges": {"training.lr": [1e-3, 1.0]}}, "training.lr must lie in"),
        ({"ranges": {"training.lr": [2e-3, 3e-3]}}, "must hold the value it starts from, 0.001"),
        ({"ranges": {"training.batch_size": [16, 64]}}, "must hold the value it starts from, 32"),
    ],
)
def test_what_does_not_fit_its_cells_is_refused_before_anything_runs(values, rule):
    with pytest.raises(UserError, match=rule):
        _ = plan(**values).search_spaces


def test_the_plan_is_in_every_experiment():
    made = plan(corpus="synthetic", split="speaker-5fold", max_epochs=7, seed=5).experiments
    assert list(made) == list(CELLS)
    for cell, experiment in made.items():
        flat = experiment.flat()
        assert experiment.cell.name == cell
        assert (flat["corpus.name"], flat["split.name"]) == ("synthetic", "speaker-5fold")
        assert (flat["training.max_epochs"], flat["training.seed"]) == (7, 5)


def test_a_setting_goes_to_the_cells_that_have_it_and_a_cells_own_wins():
    made = plan(
        settings={"model.pooling": "statistics", "model.dropout": 0.5},
        cell_settings={"lenet5-1d": {"model.dropout": 0.1}},
    ).experiments
    assert made["sercnn-2d"].flat()["model.pooling"] == "statistics"
    assert "model.pooling" not in made["lenet5-1d"].flat()
    assert [made[cell].flat()["model.dropout"] for cell in CELLS] == [0.1, 0.5]


def test_what_is_fixed_is_not_searched_and_ranges_are_narrowed():
    of = plan(
        settings={"training.warmup": 0.1},
        cell_settings={"lenet5-1d": {"model.norm": "batch"}},
        ranges={"training.lr": [5e-4, 2e-3], "training.warmup": [0.0, 0.1]},
    )
    first, second = (of.search_spaces[cell] for cell in CELLS)
    for space in (first, second):
        assert "training.warmup" not in space
        assert space["training.lr"] == Floats(5e-4, 2e-3, log=True)
    assert "model.norm" not in first
    assert "model.norm" in second


def test_the_rest_is_searched_as_it_is():
    of = plan()
    for cell, experiment in of.experiments.items():
        assert of.search_spaces[cell] == experiment.searched()


def test_settings_of_the_command_line_win_over_all():
    of = with_settings(
        plan(settings={"model.dropout": 0.5}, cell_settings={"lenet5-1d": {"model.dropout": 0.1, "model.grid": 3}}),
        {"model.dropout": "0.25"},
    )
    assert [x.flat()["model.dropout"] for x in of.experiments.values()] == [0.25, 0.25]
    assert of.experiments["lenet5-1d"].flat()["model.grid"] == 3


def test_a_cell_may_choose_among_the_stored_features():
    of = plan(cell_settings={"lenet5-1d": {"features.families": "mel", "features.duration_s": 2.0}})
    assert of.experiments["lenet5-1d"].flat()["features.families"] == "mel"


def test_cell_settings_of_cells_that_are_not_chosen_wait():
    assert list(plan(cells=CELLS[:1], cell_settings={"vgg16-2d": {"model.width": 0.1}}).experiments) == ["lenet5-1d"]


def test_a_plan_goes_through_json_and_back():
    of = plan(settings={"training.lr": "0.002"}, ranges={"model.dropout": [0.0, 0.4]}, gpus_per_trial=0.5)
    assert parse_plan(json.loads(json.dumps(of.as_dict()))) == of


@pytest.mark.parametrize(
    ("cells", "named"),
    [
        ("all", None),
        ("lenet5-1d", CELLS[:1]),
        ("lenet5-1d,sercnn-2d,lenet5-1d", CELLS),
        (["sercnn-2d", "sercnn-2d", "lenet5-1d"], CELLS[::-1]),
    ],
)
def test_cells_are_named_once_and_keep_their_order(cells, named):
    assert parse_cells(cells) == (tuple(all_cells()) if named is None else named)


def test_cells_are_all_unless_named():
    assert parse_plan({}).cells == tuple(all_cells())
    assert len(parse_plan({}).cells) == 8


@pytest.mark.parametrize(("n", "n_startup"), [(1, 2), (4, 2), (9, 3), (30, 10), (300, 10)])
def test_a_third_of_the_trials_is_random_from_2_to_10(n, n_startup):
    assert plan(trials_per_cell=n).n_startup_trials == n_startup


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("trial_per_cell = 3", "unknown plan key 'trial_per_cell': did you mean 'trials_per_cell'"),
        ("settings = 3", "settings must be a table, got 3"),
        ("cell_settings = [1]", r"cell_settings must be a table, got \[1\]"),
        ("cells = 3", "is not a plan"),
        ("cells = []", "a sweep needs a cell"),
        ('cells = "lenet-1d"', "unknown cell 'lenet-1d': did you mean 'lenet5-1d'"),
        ("max_epochs = ", "is not a plan"),
        ("max_epochs = 3.5", "max_epochs must be a whole number, got 3.5"),
        ("final_splits = 3", "final_splits must be names of splits, got 3"),
        ("final_splits = [3]", r"final_splits must be names of splits, got \(3,\)"),
        ('final_splits = ""', r"final_splits must be names of splits, got \('',\)"),
        ("final_folds = 0", "final_folds must be 'all' or some of 0 to 4, got 0"),
        ("final_folds = [[0]]", "final_folds must be 'all' or some of 0 to 4"),
        ('final_folds = "some"', "final_folds or --folds must be 'all' or numbers joined by commas"),
        (b"split = '\xff'", "is not a plan"),
    ],
)
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, text, rule):
    path = tmp_path / "mine.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=rule):
        read_plan(str(path), folder=tmp_path)


@pytest.mark.parametrize(
    ("given", "splits", "folds"),
    [
        ({"final_splits": "evar", "final_folds": "0"}, ("evar",), (0,)),
        ({"final_splits": "evar,assignment,evar", "final_folds": "2,0,2"}, ("evar", "assignment"), (2, 0)),
        ({"final_splits": ["evar", "evar"], "final_folds": [1, 1]}, ("evar",), (1,)),
        ({"final_folds": "all"}, (), "all"),
    ],
)
def test_splits_and_folds_of_the_final_evaluation_are_named_once(given, splits, folds):
    made = parse_plan(given)
    assert (made.final_splits, made.final_folds) == (splits, folds)
    assert plan(final_splits=("evar", "evar")).final_splits == ("evar",)


def test_a_plan_is_read_by_name_or_by_path(tmp_path: Path):
    (tmp_path / "mine.toml").write_text('cells = ["lenet5-1d"]\nseed = 7\n[settings]\n"training.lr" = 0.002\n')
    by_name = read_plan("mine", folder=tmp_path)
    assert by_name == read_plan(str(tmp_path / "mine.toml"), folder=tmp_path / "elsewhere")
    assert by_name == Plan(cells=("lenet5-1d",), seed=7, settings={"training.lr": 0.002})


def test_an_unknown_plan_gets_the_nearest(tmp_path: Path):
    for name in ("demo", "quick"):
        (tmp_path / f"{name}.toml").write_text("")
    with pytest.raises(UserError, match="unknown plan 'quik': did you mean 'quick'"):
        read_plan("quik", folder=tmp_path)
    with pytest.raises(UserError, match="unknown plan"):
        read_plan(str(tmp_path / "none.toml"), folder=tmp_path)
