"""What the trainings of a sweep predicted, clip by clip, as one small file, so that its tables can be made again.

    python -m tests.reference.keep_results .ser/sweeps/NAME tests/reference/results/NAME.csv

One line for each clip, split, fold and seed; one column for each network, of an ablation for each variant. A cell holds
the first letter of the emotion that the clip was taken for. Of a final evaluation these are the test clips, and one
more column has what MFCC + SVM takes them for; of an ablation the validation clips. While a sweep goes on, only folds
and seeds on which every network has been trained are there. Nothing of `ser` is imported.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from tests.reference.recompute_report import trials

KEY = ["clip", "split", "fold", "seed", "truth"]
PART = {"final": "test", "ablation": "validation"}
SVM = "mfcc-svm"


def predicted(path: Path, part: str) -> pd.DataFrame:
    """Clip, truth and prediction of one part of a `predictions.csv`, emotions by their first letters."""
    table = pd.read_csv(path, dtype=str)
    table = table[table["part"] == part]
    return pd.DataFrame({name: table[name] for name in ("clip", "truth", "prediction")}).assign(
        truth=table["truth"].str[0], prediction=table["prediction"].str[0]
    )


def of_trainings(found: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """What each planned training predicted."""
    for trial in found[found["stage"].isin(PART)].itertuples():
        name = f"{trial.cell} {trial.name}" if trial.stage == "ablation" else trial.cell
        table = predicted(trial.path, PART[trial.stage])
        yield table.assign(split=trial.split, fold=trial.fold, seed=trial.seed, name=name)


def of_svm(sweep: Path, found: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """What MFCC + SVM predicted for each split, fold and seed of a final evaluation."""
    final = found[found["stage"] == "final"]
    for trial in final.drop_duplicates(["split", "fold", "seed"]).itertuples():
        drawn = f"-seed{trial.draw}" if trial.draw else ""
        unseen = "" if trial.selection == "none" else "-unseen"
        table = predicted(sweep / "baselines" / SVM / f"{trial.split}-{trial.fold}{drawn}{unseen}.csv", "test")
        yield table.assign(split=trial.split, fold=trial.fold, seed=trial.seed, name=SVM)


def kept(sweep: Path) -> pd.DataFrame:
    """The table of a sweep's folder."""
    found = trials(sweep / "journal.jsonl")
    listed = [*of_trainings(found), *of_svm(sweep, found)]
    return pd.concat(listed).pivot(index=KEY, columns="name", values="prediction").dropna().reset_index()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path, help="folder of the sweep")
    parser.add_argument("out", type=Path, help="the file to write")
    given = parser.parse_args()
    table = kept(given.sweep)
    table.sort_values(["split", "seed", "fold", "clip"]).to_csv(given.out, index=False)
    print(f"{given.out}: {len(table):,} lines of {len(table.columns) - len(KEY)} networks or variants")
