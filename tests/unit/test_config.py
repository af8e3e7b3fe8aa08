"""`Experiment`: one flat form there and back, and what is refused on the way."""

import pytest

from ser.corpora.base import CORPORA
from ser.experiment.experiment import Cell, all_cells, default_experiment, from_flat
from ser.settings.ranges import SettingError

VGG = Cell(architecture="vgg16", dimensions=2)


def test_cells_are_every_architecture_in_both_dimensions():
    assert list(all_cells()) == [f"{name}-{d}d" for name in ("alexnet", "lenet5", "sercnn", "vgg16") for d in (1, 2)]
    assert all(cell.name == name for name, cell in all_cells().items())


@pytest.mark.parametrize("dimensions", [0, 3, True, 2.0])
def test_a_cell_has_one_or_two_dimensions(dimensions):
    with pytest.raises(SettingError, match=r"dimensions must be one of \{1, 2\}"):
        Cell(architecture="vgg16", dimensions=dimensions)


def test_flat_names_every_part_once():
    flat = default_experiment(VGG).flat()
    assert flat["cell.architecture"] == "vgg16"
    assert flat["cell.dimensions"] == 2
    assert flat["corpus.name"] == "cremad"
    assert {name.split(".")[0] for name in flat} == {
        "cell", "features", "model", "corpus", "split", "augment", "training",
    }  # fmt: skip


def test_spaces_are_those_of_the_chosen_parts_alone():
    one, two = (default_experiment(Cell(architecture="vgg16", dimensions=d)).searched() for d in (1, 2))
    assert set(one) - set(two) == {"features.families"}
    own = default_experiment(Cell(architecture="sercnn", dimensions=2)).searched()
    assert "model.pooling" in own
    assert "model.pooling" not in two
    assert {"cell.architecture", "corpus.name", "split.name", "training.seed", "model.width"}.isdisjoint(two)


def test_a_setting_is_named_with_its_nearest_neighbour():
    with pytest.raises(SettingError, match=r"unknown setting 'model.drop_out': did you mean 'model.dropout'"):
        default_experiment(VGG).with_values({"model.drop_out": 0.2})


def test_a_frozen_value_out_of_range_says_rule_and_value():
    with pytest.raises(SettingError, match=r"model.dropout must lie in \[0, 0.6\], got 1.5"):
        default_experiment(VGG).with_values({"model.dropout": "1.5"})
    with pytest.raises(SettingError, match=r"features.families must be 'all' or names joined by '\+'"):
        default_experiment(Cell(architecture="vgg16", dimensions=1)).with_values({"features.families": "pitch"})


@pytest.mark.parametrize("other", [{"cell.architecture": "lenet5"}, {"cell.dimensions": "1"}])
def test_settings_cannot_turn_a_cell_into_another(other):
    with pytest.raises(SettingError, match="the settings are of cell vgg16-2d and cannot make it"):
        default_experiment(VGG).with_values(other)


@pytest.mark.parametrize("corpus", CORPORA.names())
def test_the_corpus_gives_the_number_of_classes(corpus):
    assert default_experiment(VGG, corpus=corpus).n_classes == len(CORPORA[corpus].emotions) == 6


def test_unknown_parts_get_the_nearest_name():
    with pytest.raises(SettingError, match="unknown corpus 'crema': did you mean 'cremad'"):
        default_experiment(VGG, corpus="crema")
    with pytest.raises(SettingError, match="unknown architecture 'vgg': did you mean 'vgg16'"):
        default_experiment(Cell(architecture="vgg", dimensions=1))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"cell.architecture": None}, "an experiment needs cell.architecture"),
        ({"cell.architecture": None, "cell.dimensions": None}, "needs cell.architecture and cell.dimensions"),
        ({"cell.dimensions": "3"}, r"dimensions must be one of \{1, 2\}, got 3"),
        ({"cell.architecture": "vgg19"}, "unknown architecture 'vgg19': did you mean 'vgg16'"),
        ({"cell.architecture": "sercnn"}, "unknown setting 'model.grid'"),
        ({"corpus.name": "emodb"}, "unknown corpus 'emodb'"),
        ({"training.lr": "fast"}, "training.lr must be float, got 'fast'"),
        ({"training.lr": "10"}, "training.lr must lie in"),
        ({"training.momentum": "0.9"}, "unknown setting 'training.momentum'"),
    ],
)
def test_a_flat_form_that_describes_nothing_is_refused(change, rule):
    flat = {**default_experiment(VGG).flat(), **change}
    with pytest.raises(SettingError, match=rule):
        from_flat({name: value for name, value in flat.items() if value is not None})


def test_settings_that_a_flat_form_omits_are_the_defaults():
    assert from_flat({"cell.architecture": "vgg16", "cell.dimensions": "2"}) == default_experiment(VGG)
