"""The README's tables of trainings, computed again from what those trainings predicted: nothing is trained here."""

import re
from pathlib import Path

import pandas as pd
import pytest
from keep_results import KEY
from sklearn.metrics import balanced_accuracy_score

README = Path(__file__).resolve().parents[2] / "README.md"
RESULTS = Path(__file__).with_name("results")
ABLATIONS = [("ablation-1", "sercnn-2d"), ("ablation-2", "sercnn-1d"), ("ablation-2", "sercnn-2d")]


def kept(name: str) -> pd.DataFrame:
    return pd.read_csv(RESULTS / f"{name}.csv", dtype=str)


def printed(name: str) -> dict[str, list[str]]:
    """The lines of the table behind the mark `name`: cells by the first of them."""
    text = README.read_text().partition(f"<!-- {name} -->")[2]
    lines = re.search(r"\n\|.*?\n\n", text, re.DOTALL)
    assert lines is not None
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines[0].split("\n") if line]
    return {row[0]: row[1:] for row in rows[2:]}


def uars(table: pd.DataFrame, cell: str) -> dict[str, float]:
    """Percent, mean over seeds of the balanced accuracy of all folds together, by variant of a cell."""
    seeds = [seed for _, seed in table.groupby("seed")]

    def uar(name: str) -> float:
        return 100 * sum(balanced_accuracy_score(seed["truth"], seed[name]) for seed in seeds) / len(seeds)

    return {name.removeprefix(f"{cell} "): uar(name) for name in table if name.startswith(f"{cell} ")}


@pytest.mark.parametrize(("name", "cell"), ABLATIONS)
def test_the_table_of_an_ablation_is_what_was_predicted(name: str, cell: str) -> None:
    found, told = uars(kept(name), cell), printed(f"{name} {cell}")
    assert told.keys() == found.keys()
    for variant, (_, uar, difference, *_) in told.items():
        assert uar == f"{found[variant]:.1f}"
        if variant != "baseline":
            assert difference.split()[0] == f"{found[variant] - found['baseline']:+.1f}", variant


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.csv")), ids=lambda path: path.stem)
def test_every_clip_of_every_fold_was_heard_by_all_and_named_right(path: Path) -> None:
    table = kept(path.stem)
    assert table.notna().all().all()
    assert not table.duplicated(KEY).any()
    letters = table["clip"].str.split("_").str[2].str[0].str.lower()
    assert (letters == table["truth"]).all()
