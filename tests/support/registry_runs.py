"""A registry of the finished sweep, and runs like its champion's that predicted something else."""

import pandas as pd
from mlflow.entities import Run

from ser.tracking.registry.versions import Versions

MODEL = "ser-synthetic"


def right(rows: pd.DataFrame) -> pd.DataFrame:
    """What a network that is always right would have predicted."""
    return rows.assign(prediction=rows["truth"])


def wrong(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(prediction=rows["truth"].map(lambda truth: "fear" if truth == "anger" else "anger"))


def aliases(versions: Versions) -> dict[str, str]:
    found = versions.client.get_registered_model(MODEL).aliases
    return {alias: str(number) for alias, number in found.items()}


def final_of(champion: Run, *, seed: int, fold: int, split: str = "speaker-5fold") -> dict[str, dict[str, str] | str]:
    """How a run of the final evaluation of the champion's settings is logged."""
    params = {
        "training.lr": champion.data.params["training.lr"],
        "training.seed": str(seed),
        "split.fold": str(fold),
        "split.name": split,
    }
    return {"params": params, "model": "", "ser_stage": "final", "ser_split": split}
