"""Traps of the repository's layout, each of which fails silently."""

import argparse
import runpy
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
from setuptools import find_packages  # type: ignore[import-untyped]

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((REPOSITORY / "tune").glob("*.py"))
CONFIGURATION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


def python(code: str, *words: str, folder: Path) -> str:
    """Output of `python -c code` in `folder`."""
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("folder", ["mlflow", "docker"])
def test_the_folders_named_as_libraries_hold_no_python(folder: str) -> None:
    """With an `__init__.py` they would shadow the installed packages of their names."""
    assert not list((REPOSITORY / folder).rglob("*.py"))


def test_mlflow_is_the_installed_package_even_from_the_root() -> None:
    """Without the installed one, `import mlflow` would succeed on our folder and be empty."""
    seen = python("import mlflow; print(mlflow.__version__, mlflow.__file__)", folder=REPOSITORY)
    number, path = seen.split(" ", 1)
    assert number == version("mlflow")
    assert REPOSITORY / "mlflow" not in Path(path).parents


def test_no_script_has_the_name_of_a_library() -> None:
    """The folder of a script comes first in its search path."""
    assert len(SCRIPTS) >= 2
    taken = {*packages_distributions(), *sys.stdlib_module_names, "ser"}
    assert not [path.name for path in (REPOSITORY / "tune").iterdir() if path.stem in taken]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 100


# Runs each script with --help, and prints its name and the heavy libraries that are loaded afterwards.
HELP = """
import contextlib, io, pathlib, runpy, sys
for script in sys.argv[1:]:
    sys.argv, shown = [script, "--help"], io.StringIO()
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(shown):
        runpy.run_path(script, run_name="__main__")
    assert shown.getvalue().startswith("usage: ")
    print(pathlib.Path(script).name, sorted({"torch", "ray", "mlflow", "optuna", "pandas"} & set(sys.modules)))
"""


def test_help_of_a_script_loads_none_of_the_heavy_libraries(tmp_path: Path) -> None:
    """Each of them would add seconds."""
    lines = python(HELP, *map(str, SCRIPTS), folder=tmp_path).splitlines()
    assert lines == [f"{path.name} []" for path in SCRIPTS]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_every_option_has_a_help_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsers: list[argparse.ArgumentParser] = []

    def keep_parser(parser: argparse.ArgumentParser, *_: object) -> None:
        parsers.append(parser)
        raise SystemExit

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", keep_parser)
    monkeypatch.setattr(argparse.ArgumentParser, "parse_intermixed_args", keep_parser)
    with pytest.raises(SystemExit):
        runpy.run_path(str(path))["parse_arguments"]()
    (parser,) = parsers
    assert [action.dest for action in parser._actions if not action.help] == []


def test_importing_ser_loads_none_of_the_heavy_libraries(tmp_path: Path) -> None:
    code = "import sys, ser; print(sorted({'torch', 'ray', 'mlflow', 'optuna', 'librosa'} & set(sys.modules)))"
    assert python(code, folder=tmp_path) == "[]"


@pytest.mark.parametrize("module", ["ser.serving", "ser.serving.answer", "ser.serving.client"])
def test_a_client_of_the_served_model_loads_none_of_the_heavy_libraries(module: str, tmp_path: Path) -> None:
    code = (
        f"import sys, {module}; print(sorted({{'torch', 'ray', 'mlflow', 'pandas', 'starlette'}} & set(sys.modules)))"
    )
    assert python(code, folder=tmp_path) == "[]"


def test_the_served_model_loads_neither_librosa_nor_ray(tmp_path: Path) -> None:
    code = "import sys, ser.serving.pyfunc; print(sorted({'librosa', 'numba', 'ray', 'optuna'} & set(sys.modules)))"
    assert python(code, folder=tmp_path) == "[]"


def test_every_package_of_ser_is_installed_and_nothing_else() -> None:
    """With automatic discovery our `mlflow` would be installed into the real one."""
    found = find_packages(str(REPOSITORY), **CONFIGURATION["tool"]["setuptools"]["packages"]["find"])
    there = [path.parent for path in (REPOSITORY / "ser").rglob("__init__.py")]
    assert sorted(found) == sorted(".".join(path.relative_to(REPOSITORY).parts) for path in there)
    holding_code = {path.parent for path in (REPOSITORY / "ser").rglob("*.py")}
    assert holding_code == set(there)


def test_data_files_of_the_package_are_named_too() -> None:
    """Files other than Python are missing from an installation unless they are named."""
    patterns = CONFIGURATION["tool"]["setuptools"]["package-data"]["ser"]
    named = {path for pattern in patterns for path in (REPOSITORY / "ser").glob(pattern)}
    files = (path for path in (REPOSITORY / "ser").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert named == {path for path in files if path.suffix != ".py"}


def test_the_linter_knows_our_folders_from_the_libraries() -> None:
    lint = CONFIGURATION["tool"]["ruff"]["lint"]
    assert set(lint["isort"]["known-third-party"]) >= {"mlflow", "docker"}
    assert not any(rule.startswith("INP") for rule in lint["select"])


def test_torch_is_pinned() -> None:
    """Unpinned, it resolves to a build with gigabytes of CUDA packages."""
    assert "torch==2.13.0" in CONFIGURATION["project"]["dependencies"]


def test_only_the_designed_names_are_visible_at_the_top() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this copy is no Git repository")
    visible = {line.split("/")[0] for line in listed.stdout.splitlines() if not line.startswith(".")}
    allowed = {"ser", "tune", "docker", "mlflow", "tests", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"}
    assert visible <= allowed
