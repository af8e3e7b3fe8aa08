"""The report of a sweep that really ran: made by its command, logged to its run, looked at in a browser."""

import csv
import re
import sys
from pathlib import Path

import pytest

from ser.evaluation.metrics import unweighted_average_recall
from ser.evaluation.predictions import read_predictions
from ser.report.leaderboard import rank_cells
from tests.support.command_runner import REPOSITORY, Finished, run
from tests.support.headless_browser import browser
from tests.support.sweep_results import FinishedSweep, runs_of

pytestmark = pytest.mark.integration

REPORT = REPOSITORY / "tune" / "report.py"
# What is wider than the window; tables may be, in a box that scrolls.
_WIDE = """[...document.querySelectorAll("body *")]
  .filter((part) => part.getBoundingClientRect().right > innerWidth + 1 && !part.closest(".scroll, svg"))
  .map((part) => part.outerHTML)"""


@pytest.fixture(scope="module")
def made(finished: FinishedSweep, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    """The folder of the report, and how the command ended."""
    out = tmp_path_factory.mktemp("report")
    words = ["--sweep", finished.record.name, "--out", out]
    return out, run(sys.executable, REPORT, *words, folder=finished.folder)


def test_the_command_writes_page_markdown_and_tables(finished: FinishedSweep, made: tuple[Path, Finished]) -> None:
    out, ended = made
    assert ended.code == 0, ended.seen
    assert ended.stdout.strip() == f"Report: {out / 'report.html'}"
    page = (out / "report.html").read_text()
    for row in rank_cells(finished.record):
        assert re.search(rf'<th scope="row">{row.cell}</th>', page)
    assert f"tune/report.py --sweep {finished.record.name}" in page
    assert finished.record.facts.corpus_digest in page
    assert "synthetic voices" in page
    assert (out / "report.md").read_text().startswith(f"# {finished.record.name}: 2 networks on synthetic")


def test_the_table_holds_the_figures_of_the_predictions(finished: FinishedSweep, made: tuple[Path, Finished]) -> None:
    rows = {
        row["cell"]: row for row in csv.DictReader((made[0] / "tables" / "leaderboard.csv").read_text().splitlines())
    }
    board = rank_cells(finished.record)
    assert {row.cell for row in board} <= rows.keys()
    for row in board:
        shown = rows[row.cell]
        assert float(shown["test_uar"]) == pytest.approx(row.test_uar)
        assert float(shown["val_uar"]) == pytest.approx(row.val_uar)
        assert float(shown["test_uar_low"]) <= row.test_uar <= float(shown["test_uar_high"])
        ended = finished.record.trials[row.key].ended
        assert ended is not None
        read = read_predictions(Path(ended.bundle) / "predictions.csv", part="test")
        pooled = read.counts().confusions.sum(axis=(0, 1))
        assert float(shown["test_uar"]) == pytest.approx(unweighted_average_recall(pooled))


def test_the_run_of_the_sweep_shows_it(
    finished: FinishedSweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished.folder)
    runs = runs_of(finished.client, finished.record.name)
    (parent,) = (each for each in runs if each.data.tags["ser.trial"] == "parent")
    description = parent.data.tags["mlflow.note.content"]
    for row in rank_cells(finished.record):
        assert f"| {row.cell} | {100 * row.test_uar:.1f} [" in description
    logged = {item.path for item in finished.client.list_artifacts(parent.info.run_id, "report")}
    assert logged == {"report/report.html", "report/report.md", "report/tables"}
    page = Path(finished.client.download_artifacts(parent.info.run_id, "report/report.html", str(tmp_path)))
    assert "Significant differences" in page.read_text()


@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_the_window_of_desk_and_phone(made: tuple[Path, Finished], tmp_path: Path, width: int) -> None:
    with browser(tmp_path) as page:
        page.open((made[0] / "report.html").as_uri(), width=width, height=3000)
        assert page.value(_WIDE) == []
        assert page.value("innerWidth") == width
        assert page.value("document.documentElement.scrollWidth") <= width
        assert len(page.picture()) > 50_000
        assert page.console == []


def test_a_sweep_that_is_not_there_is_refused_in_one_sentence(tmp_path: Path) -> None:
    ended = run(sys.executable, REPORT, "--sweep", "nobody", "--out", tmp_path / "out", folder=tmp_path)
    assert ended.code == 2
    assert re.fullmatch(r"error: there is no journal at \S+nobody/journal\.jsonl: check the name.*\n", ended.stdout)
    assert not (tmp_path / "out").exists()
