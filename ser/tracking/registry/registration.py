"""Registration of a finished sweep: the best model of each cell, a candidate, and the champion if it is better."""

from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion

from ser.report.leaderboard import rank_cells
from ser.sweep.journal import SEARCH, TrialKey
from ser.sweep.state import SweepState
from ser.tracking.registry.promotion import Promotion, promote
from ser.tracking.registry.promotion_rule import CANDIDATE, CHAMPION
from ser.tracking.registry.versions import Versions, registered_model_name
from ser.tracking.runs import Runs

SCOPES = ("all", "cells", "champion")
"""Choices of the models that become versions, see `register_sweep`."""


@dataclass(frozen=True)
class Registration:
    """Result of a registration.

    Attributes:
        name: of the registered model.
        aliases: number of the version by alias.
        promotion: of the candidate.
    """

    name: str
    aliases: dict[str, str]
    promotion: Promotion


def register_sweep(runs: Runs, sweep: SweepState, *, scope: str) -> Registration:
    """Register the models of a finished sweep with a completed trial, and set the aliases.

    A run that is registered already keeps its version. The best model by validation becomes `candidate`. It becomes
    `champion` if there is none, or if it is better by the rule of `promote`.

    Args:
        runs: of the sweep; each completed run has a model.
        sweep: state of the sweep.
        scope: 'champion' for the best model only, 'cells' also for the best of each cell, 'all' also for a version of
            every other completed trial of the search.

    Raises:
        UserError: a run has no model, or its predictions cannot be read.
    """
    rows = rank_cells(sweep)
    versions = Versions(runs.client, registered_model_name(sweep.facts.corpus))
    if scope == "all":
        for trial in sweep.trials.values():
            if trial.outcome == "completed" and trial.stage == SEARCH:
                _register_trial(runs, versions, trial.key)
    targets = {} if scope == CHAMPION else {row.cell: row.key for row in rows}
    targets[CANDIDATE] = rows[0].key
    aliases = {alias: _register_trial(runs, versions, key) for alias, key in targets.items()}
    for alias, version in aliases.items():
        versions.point_alias(alias, version)
    return Registration(
        name=versions.name,
        aliases={alias: str(version.version) for alias, version in aliases.items()},
        promotion=promote(versions, runs.client.get_run(runs.get_run_id(rows[0].key))),
    )


def _register_trial(runs: Runs, versions: Versions, key: TrialKey) -> ModelVersion:
    return versions.register_run(runs.client.get_run(runs.get_run_id(key)))
