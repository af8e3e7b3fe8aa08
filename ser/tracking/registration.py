"""The model registry: the best model of each cell under the cell's alias, the best of all as champion."""

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from ser.journal import SEARCH, TrialKey
from ser.replay import SweepRecord
from ser.report.leaderboard import Row, leaderboard
from ser.tracking.models import find_model
from ser.tracking.runs import Runs

CHAMPION = "champion"
PREVIOUS = "previous"
SCOPES = ("all", "cells", "champion")


def register_sweep(runs: Runs, sweep: SweepRecord, *, scope: str) -> dict[str, ModelVersion]:
    """Register the models of a finished sweep in 'ser-<corpus>' and point the aliases there: alias -> version.

    A run that is registered already keeps its version. `champion` does not move where it leads on the same clips and
    split; where it moves, the champion before stays under `previous`.

    Args:
        runs: the sweep's runs; each completed one has its model.
        sweep: what the journal says.
        scope: 'champion' for the best of all only, 'cells' for the best of each cell too, 'all' for a version of
            every completed trial of the search besides.
    """
    rows = leaderboard(sweep)
    if not rows:
        return {}
    name = model_name(sweep)
    _ensure_model(runs, name, corpus=str(sweep.facts["corpus"]))
    if scope == "all":
        for trial in sweep.trials.values():
            if trial.outcome == "completed" and trial.stage == SEARCH:
                _version(runs, name, trial.key)
    targets = {} if scope == CHAMPION else {row.cell: row.key for row in rows}
    if not _leads(runs, name, sweep, rows[0]):
        targets[CHAMPION] = rows[0].key
    versions = {alias: _version(runs, name, key) for alias, key in targets.items()}
    if CHAMPION in versions:
        _keep_previous(runs, name, versions[CHAMPION])
    for alias, version in versions.items():
        runs.client.set_registered_model_alias(name, alias, str(version.version))
    return versions


def model_name(sweep: SweepRecord) -> str:
    """Name of the registered model of a corpus."""
    return f"ser-{sweep.facts['corpus']}"


def _ensure_model(runs: Runs, name: str, *, corpus: str) -> None:
    try:
        runs.client.get_registered_model(name)
    except MlflowException:
        runs.client.create_registered_model(name, description=f"Speech emotion recognition, trained on {corpus}.")


def _version(runs: Runs, name: str, key: TrialKey) -> ModelVersion:
    run_id = runs.id_of(key)
    found = runs.client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    if found:
        return found[0]
    model = find_model(runs, run_id)
    if model is None:
        raise LookupError(f"{key} has no model in the tracker yet")
    tags = {"ser.sweep": key.sweep, "ser.cell": key.cell, "ser.trial": str(key)}
    return runs.client.create_model_version(
        name, source=f"models:/{model.model_id}", run_id=run_id, model_id=model.model_id, tags=tags
    )


def _leads(runs: Runs, name: str, sweep: SweepRecord, best: Row) -> bool:
    """Whether the champion is of another run that has a higher validation UAR on the same clips and split."""
    if CHAMPION not in runs.client.get_registered_model(name).aliases:
        return False
    run = runs.client.get_run(str(runs.client.get_model_version_by_alias(name, CHAMPION).run_id))
    same = all(run.data.tags.get(f"ser.{part}") == sweep.facts[part] for part in ("corpus_digest", "split_digest"))
    return same and run.data.metrics.get("best_val_uar", 0.0) > best.val_uar


def _keep_previous(runs: Runs, name: str, champion: ModelVersion) -> None:
    old = runs.client.get_registered_model(name).aliases.get(CHAMPION)
    if old is not None and str(old) != str(champion.version):
        runs.client.set_registered_model_alias(name, PREVIOUS, str(old))
