"""The names of MLflow's tags stand in one module."""

import ast
from pathlib import Path

import ser.tracking
from ser.tracking import tags

NAMES = [value for name, value in vars(tags).items() if name.isupper()]


def test_every_tag_has_a_name_of_its_own() -> None:
    assert len(NAMES) >= 25
    assert len(set(NAMES)) == len(NAMES)
    assert {name.split(".")[0] for name in NAMES} == {"ser", "mlflow"}


def test_no_other_module_of_tracking_names_a_tag() -> None:
    folder = Path(ser.tracking.__file__).parent
    others = [path for path in folder.rglob("*.py") if path.name != "tags.py"]
    assert len(others) >= 20
    for path in others:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        statements = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
        docstrings = {id(value) for value in statements if isinstance(value, ast.Constant)}
        texts = [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
        ]
        assert [text for text in texts for name in NAMES if name in text] == [], path
