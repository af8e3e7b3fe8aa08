"""What a sweep's end does in the model registry: the best model of each cell, a candidate, and perhaps a champion."""

from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion

from ser.report.leaderboard import leaderboard
from ser.sweep.journal import SEARCH, TrialKey
from ser.sweep.state import SweepState
from ser.tracking.registry.comparison import CANDIDATE, CHAMPION
from ser.tracking.registry.promotion import Promotion, promote
from ser.tracking.registry.versions import Versions, registered_model_name
from ser.tracking.runs import Runs

SCOPES = ("all", "cells", "champion")


@dataclass(frozen=True)
class Registration:
    """Name of the registered model, number of the version that each alias was pointed to, and the candidate's fate."""

    name: str
    aliases: dict[str, str]
    promotion: Promotion


def register_sweep(runs: Runs, sweep: SweepState, *, scope: str) -> Registration:
    """Register the models of a finished sweep, which has a completed trial, and point the aliases there.

    A run that is registered already keeps its version. The best of all by validation is `candidate`; `champion` only
    where there is none, or where it is better by the rule of `promote`.

    Args:
        runs: the sweep's runs; each completed one has its model.
        sweep: what the journal says.
        scope: 'champion' for the best of all only, 'cells' for the best of each cell too, 'all' for a version of
            every completed trial of the search besides.
    """
    rows = leaderboard(sweep)
    versions = Versions(runs.client, registered_model_name(sweep.facts.corpus))
    if scope == "all":
        for trial in sweep.trials.values():
            if trial.outcome == "completed" and trial.stage == SEARCH:
                _version(runs, versions, trial.key)
    targets = {} if scope == CHAMPION else {row.cell: row.key for row in rows}
    targets[CANDIDATE] = rows[0].key
    aliases = {alias: _version(runs, versions, key) for alias, key in targets.items()}
    for alias, version in aliases.items():
        versions.point(alias, version)
    return Registration(
        name=versions.name,
        aliases={alias: str(version.version) for alias, version in aliases.items()},
        promotion=promote(versions, runs.client.get_run(runs.id_of(rows[0].key))),
    )


def _version(runs: Runs, versions: Versions, key: TrialKey) -> ModelVersion:
    return versions.of_run(runs.client.get_run(runs.id_of(key)))
