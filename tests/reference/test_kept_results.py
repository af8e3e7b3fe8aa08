"""The README's tables of trainings, computed again from what those trainings predicted: nothing is trained here."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from ser.experiment.experiment import all_cells
from tests.reference.keep_results import KEY, SVM, kept
from tests.support.fabricated_sweep import CELLS, SEEDS, evaluated_sweep

README = Path(__file__).resolve().parents[2] / "README.md"
RESULTS = Path(__file__).with_name("results")
# In all of these files the 1-D networks were trained with RMS energy, the definition before version 3 of the features.
N_DRAWS = 2000
# Points, where ends of intervals are printed to one decimal.
ROUNDING = 0.051
SPEAKERS = "speaker-5fold-present"
# Folds of actors on whom no ablation validated.
UNSEEN = ["0", "4"]
# Of each file: folds of each split, clips of each seed, actors. Each seed draws `assignment` anew, and of a new draw's
# test clips the search's validation clips are left out.
CONTENTS = {
    "ablation-1": ({SPEAKERS: {"0", "1", "2"}}, {SPEAKERS: {"0": 2680}}, 33),
    "ablation-2": ({SPEAKERS: {"0", "1", "2"}}, {SPEAKERS: {"0": 2680}}, 33),
    "ablation-3": ({SPEAKERS: {"0", "1"}}, {SPEAKERS: {"0": 1790}}, 22),
    "ablation-4": ({SPEAKERS: {"0", "1"}}, {SPEAKERS: {"0": 1790}}, 22),
    "table": (
        {SPEAKERS: {"0", "1", "2", "3", "4"}, "assignment": {"0"}},
        {SPEAKERS: dict.fromkeys("012", 4405), "assignment": {"0": 1369, "1": 1328, "2": 1318}},
        56,
    ),
}
ABLATIONS = [
    ("ablation-1", "sercnn-2d"),
    ("ablation-2", "sercnn-1d"),
    ("ablation-2", "sercnn-2d"),
    ("ablation-3", "sercnn-2d"),
    ("ablation-4", "sercnn-1d"),
]


def results(name: str) -> pd.DataFrame:
    return pd.read_csv(RESULTS / f"{name}.csv", dtype=str)


def printed(name: str) -> dict[str, list[str]]:
    """The lines of the table behind the mark `name`: cells by the first of them."""
    text = README.read_text().partition(f"<!-- {name} -->")[2]
    lines = re.search(r"\n\|.*?\n\n", text, re.DOTALL)
    assert lines is not None
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines[0].split("\n") if line]
    return {row[0]: row[1:] for row in rows[2:]}


def mean_over_seeds(score: Callable[..., float], table: pd.DataFrame, name: str) -> float:
    """Percent: of all folds together."""
    seeds = [seed for _, seed in table.groupby("seed")]
    return float(100 * np.mean([score(seed["truth"], seed[name]) for seed in seeds]))


uar = partial(mean_over_seeds, balanced_accuracy_score)
accuracy = partial(mean_over_seeds, accuracy_score)
macro_f1 = partial(mean_over_seeds, partial(f1_score, average="macro"))


def drawn_uars(table: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Percent: UARs, mean over seeds, of the same draws of actors with replacement for whatever `name`."""
    letters, seeds, actors = (
        pd.Categorical(column) for column in (table["truth"], table["seed"], table["clip"].str[:4])
    )
    shape = [len(part.categories) for part in (actors, seeds, letters, letters)]
    heard = pd.Categorical(table[name], categories=letters.categories)
    counts = np.zeros(shape)
    np.add.at(counts, (actors.codes, seeds.codes, letters.codes, heard.codes), 1)
    draws = np.random.default_rng(0).multinomial(shape[0], np.full(shape[0], 1 / shape[0]), size=N_DRAWS)
    confusions = np.tensordot(draws, counts, axes=1)
    recalls = np.diagonal(confusions, axis1=-2, axis2=-1) / confusions.sum(-1)
    uars: NDArray[np.float64] = 100 * recalls.mean((-1, -2))
    return uars


def has_interval(text: str, value: float, draws: NDArray[np.float64]) -> bool:
    """Whether `text` is the value and its 95 % interval, as in 62.9 [61.0, 64.9] or +4.6 [+3.1, +6.2]."""
    shown = re.fullmatch(r"([+\-\d.]+) \[([+\-\d.]+), ([+\-\d.]+)\]", text)
    assert shown is not None, text
    ends = np.quantile(draws, [0.025, 0.975])
    told = [float(shown[2]), float(shown[3])]
    return shown[1].removeprefix("+") == f"{value:.1f}" and told == pytest.approx(ends, abs=ROUNDING)


@pytest.mark.parametrize(("name", "cell"), ABLATIONS)
def test_the_table_of_an_ablation_is_what_was_predicted(name: str, cell: str) -> None:
    table, told = results(name), printed(f"{name} {cell}")
    variants = [column.removeprefix(f"{cell} ") for column in table if column.startswith(f"{cell} ")]
    assert told.keys() == set(variants)
    baseline, drawn = (uar(table, f"{cell} baseline"), drawn_uars(table, f"{cell} baseline"))
    assert told["baseline"][1] == f"{baseline:.1f}"
    for variant in told.keys() - {"baseline"}:
        _, of_variant, difference, *_ = told[variant]
        found, draws = (uar(table, f"{cell} {variant}"), drawn_uars(table, f"{cell} {variant}"))
        assert of_variant == f"{found:.1f}"
        assert has_interval(difference, found - baseline, draws - drawn), variant


@pytest.mark.parametrize("split", [SPEAKERS, "assignment"])
def test_the_table_of_all_networks_is_what_was_predicted(split: str) -> None:
    table, told = results("table"), printed(f"table {split}")
    table = table[table["split"] == split]
    assert told.keys() == {*all_cells(), SVM}
    for name, (of_all, in_accuracy, in_f1, of_unseen, *_) in told.items():
        assert has_interval(of_all, uar(table, name), drawn_uars(table, name)), name
        assert [in_accuracy, in_f1] == [f"{accuracy(table, name):.1f}", f"{macro_f1(table, name):.1f}"], name
        if split == SPEAKERS:
            assert of_unseen == f"{uar(table[table['fold'].isin(UNSEEN)], name):.1f}", name


def test_what_is_kept_is_known() -> None:
    """Tables of predictions, and one archive of `keep_earlier_version.py`."""
    assert {path.name for path in RESULTS.glob("*")} == {*(f"{name}.csv" for name in CONTENTS), "dde0c6b.tar.xz"}


@pytest.mark.parametrize("name", CONTENTS)
def test_every_clip_of_every_fold_was_heard_by_all_and_named_right(name: str) -> None:
    table, (folds, n_clips, n_actors) = results(name), CONTENTS[name]
    assert table.notna().all().all()
    letters = table["clip"].str.split("_").str[2].str[0].str.lower()
    assert (letters == table["truth"]).all()
    assert table["clip"].str[:4].nunique() == n_actors
    assert {split: set(of_split["fold"]) for split, of_split in table.groupby("split")} == folds
    for split, of_split in table.groupby("split"):
        assert of_split["seed"].value_counts().to_dict() == n_clips[str(split)]
        assert not of_split.duplicated(["seed", "clip"]).any()


def test_what_a_final_evaluation_predicted_is_kept_with_its_baseline(tmp_path: Path) -> None:
    table = kept(evaluated_sweep(tmp_path).folder)
    assert list(table) == [*KEY, *sorted([*CELLS, SVM])]
    assert table.notna().all().all()
    assert not table.duplicated(KEY).any()
    assert {(split, seed) for split, seed in zip(table["split"], table["seed"], strict=True)} == {
        (split, seed) for split in ("assignment", SPEAKERS) for seed in SEEDS
    }
    of_speakers = table[table["split"] == SPEAKERS]
    assert len(of_speakers) == len(SEEDS) * 10 * 12
    assert uar(of_speakers, "sercnn-2d") > uar(of_speakers, SVM) > uar(of_speakers, "lenet5-1d")
