"""The README's tables of trainings, computed again from what those trainings predicted: nothing is trained here."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from keep_results import KEY
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score

README = Path(__file__).resolve().parents[2] / "README.md"
RESULTS = Path(__file__).with_name("results")
TABLES = ["speaker-5fold-present", "assignment"]
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


def of_networks(split: str) -> pd.DataFrame:
    table = kept("table")
    return table[table["split"] == split]


def percent(figure: Callable[..., float], table: pd.DataFrame, name: str) -> str:
    """Mean over seeds of a figure of all folds together."""
    return f"{100 * np.mean([figure(seed['truth'], seed[name]) for _, seed in table.groupby('seed')]):.1f}"


def macro_f1(truth: pd.Series, prediction: pd.Series) -> float:
    return float(f1_score(truth, prediction, average="macro"))


def interval(table: pd.DataFrame, name: str) -> tuple[float, float]:
    """Ends, in percent, of the 95 % interval of the UAR: actors drawn with replacement."""
    letters = sorted(table["truth"].unique())
    actors = table.assign(actor=table["clip"].str[:4]).groupby(["actor", "seed"])
    counts = np.array([confusion_matrix(some["truth"], some[name], labels=letters) for _, some in actors])
    counts = counts.reshape(-1, table["seed"].nunique(), len(letters), len(letters))
    n_actors = len(counts)
    draws = np.random.default_rng(1).multinomial(n_actors, np.full(n_actors, 1 / n_actors), size=2000)
    confusions = np.tensordot(draws, counts, axes=1)
    recalls = np.diagonal(confusions, axis1=-2, axis2=-1) / confusions.sum(-1)
    low, high = np.quantile(100 * recalls.mean((-1, -2)), [0.025, 0.975])
    return float(low), float(high)


@pytest.mark.parametrize("split", TABLES)
def test_the_table_of_the_networks_is_what_was_predicted(split: str) -> None:
    table, told = of_networks(split), printed(f"table {split}")
    assert told.keys() == set(table.columns) - set(KEY)
    for name, (uar, accuracy, f1, *_) in told.items():
        assert accuracy == percent(accuracy_score, table, name)
        assert f1 == percent(macro_f1, table, name)
        shown = re.fullmatch(r"([\d.]+) \[([\d.]+), ([\d.]+)\]", uar)
        assert shown is not None, uar
        assert shown[1] == percent(balanced_accuracy_score, table, name)
        assert [float(shown[2]), float(shown[3])] == pytest.approx(interval(table, name), abs=0.3), name


def test_the_folds_that_no_decision_of_design_has_seen_are_told_apart() -> None:
    table = of_networks("speaker-5fold-present")
    unseen = table[table["fold"].isin(["0", "4"])]
    for name, (_, _, _, of_unseen, *_) in printed("table speaker-5fold-present").items():
        assert of_unseen == percent(balanced_accuracy_score, unseen, name), name


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
