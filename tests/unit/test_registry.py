"""Registries: discovery, and names that are not there."""

import importlib
import sys

import pytest

from ser.settings.ranges import SettingError
from ser.settings.registry import Registry, describe_unknown_name


@pytest.fixture
def shapes(tmp_path, monkeypatch):
    """An importable package `shapes` whose modules register `circle` and `square`."""
    package = tmp_path / "shapes_for_registry"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from ser.settings.registry import Registry\nSHAPES = Registry('shape', 'shapes_for_registry')\n"
    )
    for name in ("square", "circle"):
        (package / f"{name}.py").write_text(
            f"from shapes_for_registry import SHAPES\n\n@SHAPES.register('{name}')\nclass Shape:\n    pass\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("shapes_for_registry").SHAPES
    for name in [name for name in sys.modules if name.startswith("shapes_for_registry")]:
        del sys.modules[name]


def test_finds_every_module_at_the_first_look_and_not_before(shapes):
    assert "shapes_for_registry.circle" not in sys.modules
    assert shapes.names() == ["circle", "square"]
    assert list(shapes) == ["circle", "square"]
    assert shapes["circle"] is sys.modules["shapes_for_registry.circle"].Shape


def test_a_new_file_is_enough(shapes, tmp_path):
    (tmp_path / "shapes_for_registry" / "oval.py").write_text(
        "from shapes_for_registry import SHAPES\n\n@SHAPES.register('oval')\nclass Oval:\n    pass\n"
    )
    assert shapes.names() == ["circle", "oval", "square"]


def test_unknown_name_gets_the_nearest_and_all(shapes):
    with pytest.raises(SettingError) as caught:
        shapes["cirle"]
    assert str(caught.value) == "unknown shape 'cirle': did you mean 'circle'? known are circle, square"


def test_a_name_like_none_gets_all_and_no_guess():
    assert str(describe_unknown_name("cell", "zzz", ["vgg16-1d", "vgg16-2d"])) == (
        "unknown cell 'zzz': known are vgg16-1d, vgg16-2d"
    )


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("lenet-1d", "lenet5-1d"), ("vgg-2d", "vgg16-2d"), ("VGG16-2D", None), ("alexnet2d", "alexnet-2d")],
)
def test_usual_slips_are_understood(typed, meant):
    message = str(describe_unknown_name("cell", typed, ["alexnet-2d", "lenet5-1d", "vgg16-2d"]))
    assert (f"did you mean '{meant}'?" in message) == (meant is not None)


def test_a_name_taken_by_another_module_is_refused(shapes):
    shapes.names()
    other = type("Other", (), {"__module__": "elsewhere"})
    with pytest.raises(ValueError, match="shape 'circle' is registered twice"):
        shapes.register("circle")(other)


def test_the_same_module_may_be_imported_again(shapes):
    circle = shapes["circle"]
    module = importlib.reload(sys.modules["shapes_for_registry.circle"])
    assert shapes["circle"] is module.Shape is not circle


def test_a_class_stays_what_it_was():
    registry: Registry[type] = Registry("thing", "ser.corpora")
    assert registry.register("int")(int) is int
