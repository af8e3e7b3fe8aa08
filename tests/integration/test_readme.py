"""The README's commands, run word for word, and its comparison of the cells in MLflow, viewed in a browser."""

import os
import re
import shutil
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ser.experiment.experiment import all_cells
from tests.support.command_runner import MLFLOW, REPOSITORY, free_port, run, running
from tests.support.headless_browser import browser

pytestmark = pytest.mark.integration

README = (REPOSITORY / "README.md").read_text()
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def block(mark: str) -> str:
    """The commands after a marker of the README."""
    match = re.search(rf"<!-- {mark} -->\n```bash\n(.*?)```", README, re.DOTALL)
    assert match is not None
    return match.group(1)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which the README's first command has run, and what it printed."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(REPOSITORY / "tune", folder / "tune")
    done = run("bash", "-c", block("demo"), folder=folder, timeout_s=1200, variables={"PATH": PATH})
    assert done.code == 0, done.seen
    return folder, done.stdout


@pytest.fixture(scope="module")
def interface(demo: tuple[Path, str]) -> Iterator[str]:
    """MLflow's own UI, started by `mlflow ui` in the folder of the sweep; its address."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    with running(MLFLOW, "ui", "-p", port, "-w", "1", folder=demo[0]) as server:
        server.wait_until(lambda: answers(f"{address}/health"))
        yield address


def answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except OSError:
        return False
    return True


def test_the_first_command_compares_all_cells_and_names_the_next_commands(demo: tuple[Path, str]) -> None:
    _, printed = demo
    cells = list(all_cells())
    assert len(cells) == 8
    for cell in cells:
        assert re.search(rf"^ +{cell} +\d+\.\d ± \d", printed, re.MULTILINE), printed
    assert "synthetic" in printed
    assert "mlflow ui" in printed
    assert "mlflow models serve -m models:/ser-synthetic@champion --env-manager local" in printed


def test_the_printed_address_shows_the_best_run_of_each_cell_side_by_side(
    demo: tuple[Path, str], interface: str, tmp_path: Path
) -> None:
    printed = re.search(r"open (http://127\.0\.0\.1:5000(/#\S+))", demo[1])
    assert printed is not None
    with browser(tmp_path) as page:
        page.open(interface + printed.group(2), width=2000, height=1300)
        for cell in all_cells():
            page.wait_for(rf"/{cell} \d{{3}}/.test(document.body.outerHTML)", timeout_s=180)
        for metric in ("best_val_uar", "test_uar"):
            page.wait_for(f"document.body.outerHTML.includes('{metric}')")
        assert len(page.picture()) > 20_000


@pytest.mark.parametrize("mark", ["install", "demo", "quick", "tests"])
def test_each_marked_block_is_there(mark: str) -> None:
    assert block(mark).strip()


def test_every_script_and_plan_that_the_readme_names_exists() -> None:
    for name in set(re.findall(r"tune/\w+\.py", README)):
        assert (REPOSITORY / name).is_file(), name
    for name in set(re.findall(r"--plan (\w+)", README)):
        assert (REPOSITORY / "tune" / "plans" / f"{name}.toml").is_file(), name


def test_every_picture_that_the_readme_shows_exists() -> None:
    for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (REPOSITORY / name).is_file(), name
