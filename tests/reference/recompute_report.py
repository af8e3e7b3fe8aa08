"""The leaderboards of a sweep computed again, with pandas and scikit-learn alone: nothing of `ser` is imported.

    python tests/reference/recompute_report.py .ser/sweeps/NAME
    python tests/reference/recompute_report.py .ser/sweeps/NAME --against OUT/tables

Reads the journal's lines and the `predictions.csv` of each completed trial. The trial of the search is the one with the
highest validation UAR (then the lowest validation loss); of the final ones only seeds with every fold count. UAR is the
mean over training seeds of the balanced accuracy of all folds together, its interval 250 draws of speakers. With
`--against` the tables that `tune/report.py` wrote are compared with it: it exits with 1 where a figure differs.
"""

# pandas does not tell the types of rows and groups.
# mypy: disable-error-code="attr-defined, has-type, misc"

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

FIGURES = {
    "test_uar": balanced_accuracy_score,
    "test_accuracy": accuracy_score,
    "test_macro_f1": lambda truth, prediction: f1_score(truth, prediction, average="macro"),
}
N_DRAWS = 250
# Of an interval's width: how far ends of 250 draws scatter.
TOLERANCE = 0.25


def events(journal: Path) -> list[dict]:
    """The journal's lines without their checksums."""
    return [json.loads(line.partition(" ")[2]) for line in journal.read_text().splitlines()]


def trials(journal: Path) -> pd.DataFrame:
    """Completed trials: what names each, stage, split, fold, seed, where its predictions are, and what chose it."""
    asked: dict[tuple[str, int], dict] = {}
    best: dict[tuple[str, int], tuple[float, float]] = {}
    rows = []
    for event in events(journal):
        key = (event.get("cell"), event.get("number"))
        if event["kind"] == "asked":
            asked[key] = event
        elif event["kind"] == "reported":
            merit = (event["metrics"]["val_uar"], -event["metrics"]["val_loss"])
            best[key] = max(best.get(key, merit), merit)
        elif event["kind"] == "ended" and event["outcome"] == "completed":
            values = asked[key]["values"]
            rows.append(
                {
                    "cell": key[0],
                    "number": key[1],
                    "name": asked[key].get("variant") or key[0],
                    "stage": asked[key]["stage"],
                    "split": values["split.name"],
                    "fold": values["split.fold"],
                    "seed": values["training.seed"],
                    "draw": values["split.seed"],
                    "selection": values["split.selection"],
                    "path": Path(event["bundle"]) / "predictions.csv",
                    "merit": best[key],
                }
            )
    return pd.DataFrame(rows)


def evaluated(found: pd.DataFrame) -> pd.DataFrame:
    """The trials on a leaderboard: final ones of seeds with every fold, of the search the best of each cell."""
    search = found[found["stage"] == "search"]
    ranked = search.assign(val_uar=[m[0] for m in search["merit"]], loss=[m[1] for m in search["merit"]])
    ranked = ranked.sort_values(["val_uar", "loss", "number"], ascending=[False, False, True])
    chosen = ranked.drop_duplicates("cell")[found.columns]
    final = found[found["stage"] == "final"]
    n_folds = final.groupby("split")["fold"].nunique()
    of_seed = final.groupby(["split", "cell", "seed"])["fold"].transform("nunique")
    return pd.concat([final[of_seed == final["split"].map(n_folds)], chosen])


def predictions(listed: pd.DataFrame) -> pd.DataFrame:
    """Predictions of test clips by the listed trials, each with the seed of its trial."""
    tables = [pd.read_csv(row.path, dtype=str).assign(seed=row.seed) for row in listed.itertuples()]
    table = pd.concat(tables)
    return table[table["part"] == "test"]


def figure(name: str, table: pd.DataFrame) -> float:
    """Mean over seeds of the figure of all folds together."""
    return float(np.mean([FIGURES[name](seed["truth"], seed["prediction"]) for _, seed in table.groupby("seed")]))


def interval(table: pd.DataFrame, rng: np.random.Generator) -> tuple[float, float]:
    """Ends of the 95 % interval of the UAR: speakers drawn with replacement."""
    right = table.assign(right=table["truth"] == table["prediction"])
    grouped = right.groupby(["speaker", "seed", "truth"])["right"].agg(["size", "sum"])
    counted = pd.DataFrame(grouped.unstack(["seed", "truth"]))
    levels = [["size", "sum"], sorted(set(table["seed"])), sorted(set(table["truth"]))]
    columns = pd.MultiIndex.from_product(levels)
    # Of each speaker: clips, and those named right, of each class in each seed.
    counts = counted.reindex(columns=columns).fillna(0).to_numpy().reshape(len(counted), *map(len, levels))
    draws = []
    for _ in range(N_DRAWS):
        n_clips, n_right = counts[rng.choice(len(counts), len(counts))].sum(axis=0)
        recalls = np.divide(n_right, n_clips, out=np.full(n_clips.shape, np.nan), where=n_clips > 0)
        draws.append(np.nanmean(recalls, axis=1).mean())
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def recomputed(journal: Path) -> pd.DataFrame:
    """One row for each stage, split and cell: its figures, and the interval of its UAR."""
    rng = np.random.default_rng(1)
    rows = []
    for (stage, split, cell), listed in evaluated(trials(journal)).groupby(["stage", "split", "cell"]):
        table = predictions(listed)
        low, high = interval(table, rng)
        figures = {name: figure(name, table) for name in FIGURES}
        rows.append({"stage": stage, "split": split, "cell": cell, **figures, "low": low, "high": high})
    return pd.DataFrame(rows)


def differences(mine: pd.DataFrame, tables: Path) -> list[str]:
    """What the report's leaderboards say otherwise."""
    found = []
    for row in mine.itertuples():
        for path in sorted(tables.glob("leaderboard*.csv")):
            theirs = pd.read_csv(path).set_index("cell")
            if (theirs.at[row.cell, "stage"], theirs.at[row.cell, "split"]) == (row.stage, row.split):
                found += _of_row(row, theirs.loc[row.cell], path)
                break
        else:
            found.append(f"no leaderboard of {row.stage} on {row.split}")
    return found


def _of_row(mine: Any, theirs: pd.Series, path: Path) -> list[str]:
    tolerance = TOLERANCE * (mine.high - mine.low) + 1e-9
    pairs = [(name, getattr(mine, name), theirs[name], 1e-9) for name in FIGURES]
    pairs += [(f"test_uar_{end}", getattr(mine, end), theirs[f"test_uar_{end}"], tolerance) for end in ("low", "high")]
    return [
        f"{path.name}, {mine.cell}: {name} is {value:.6f} here, {other:.6f} there"
        for name, value, other, allowed in pairs
        if not abs(value - other) <= allowed
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path, help="folder of the sweep")
    parser.add_argument("--against", type=Path, help="folder of the report's CSV files")
    given = parser.parse_args()
    table = recomputed(given.sweep / "journal.jsonl")
    print(table.to_string(index=False, float_format="%.4f"))
    if given.against:
        wrong = differences(table, given.against)
        print("\n".join(wrong) or "The report says the same.")
        sys.exit(bool(wrong))
