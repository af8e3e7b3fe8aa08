"""Evaluations of a logged run, read from MLflow: its own, and the final evaluations of its settings."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ser.evaluation.complete_seeds import keep_complete_seeds
from ser.evaluation.predictions import Predictions, PredictionsError, concatenate_predictions, read_predictions
from ser.experiment.experiment import from_flat
from ser.experiment.trial import PREDICTIONS_FILE
from ser.settings.ranges import Value
from ser.sweep.journal import FINAL
from ser.tracking.tags import CELL, CORPUS_DIGEST, GIT_COMMIT, PARENT_RUN_ID, SPLIT_DIGEST, STAGE

_SEED, _FOLD, _SPLIT = "training.seed", "split.fold", "split.name"


@dataclass(frozen=True)
class RunEvaluation:
    """Runs whose predictions are pooled.

    Attributes:
        description: split, folds and seeds in words.
        key: equal for evaluations of other settings on the same clips.
        runs: runs of the final evaluation, or the single run.
    """

    description: str
    key: tuple[str, ...]
    runs: tuple[Run, ...]

    def read_predictions(self, client: MlflowClient, part: str) -> Predictions:
        """Download the predictions of the runs and concatenate them; those of a single run get the seed 0.

        Args:
            client: of the tracker.
            part: 'validation' or 'test'.

        Raises:
            PredictionsError: a run has no predictions, or another version wrote them.
        """
        seeds = [int(run.data.params[_SEED]) for run in self.runs] if len(self.runs) > 1 else [0]
        pairs = zip(self.runs, seeds, strict=True)
        return concatenate_predictions([_download_predictions(client, run, part, seed) for run, seed in pairs])


def list_evaluations(client: MlflowClient, run: Run) -> list[RunEvaluation]:
    """List the evaluations of a run's settings: final evaluations by falling number of folds, then the run itself."""
    by_split: dict[str, list[Run]] = {}
    for final in _find_final_runs(client, run):
        by_split.setdefault(final.data.params[_SPLIT], []).append(final)
    complete = {split: _keep_complete(runs) for split, runs in by_split.items()}
    pooled = [_pool_runs(split, runs) for split, runs in complete.items() if runs]
    tags = run.data.tags
    own = ("run", tags.get(CORPUS_DIGEST, ""), tags.get(SPLIT_DIGEST, ""))
    return [
        *sorted(pooled, key=lambda evaluation: (-len(evaluation.key), evaluation.key)),
        RunEvaluation(f"split {run.data.params.get(_SPLIT, 'unknown')}", own, (run,)),
    ]


def _find_final_runs(client: MlflowClient, run: Run) -> list[Run]:
    """Find the runs of the sweep's final evaluation with the run's settings, except for split and seed."""
    tags = run.data.tags
    if PARENT_RUN_ID not in tags:
        return []
    query = (
        f"tags.`{PARENT_RUN_ID}` = '{tags[PARENT_RUN_ID]}' and tags.`{CELL}` = '{tags[CELL]}' "
        f"and tags.`{STAGE}` = '{FINAL}' and attributes.status = 'FINISHED'"
    )
    found = client.search_runs([run.info.experiment_id], query)
    return [final for final in found if _read_settings(final.data.params) == _read_settings(run.data.params)]


def _read_settings(params: Mapping[str, str]) -> dict[str, Value]:
    """Read all settings but split and seed; those that an earlier version did not log have their defaults."""
    values = from_flat(params).flat()
    return {name: value for name, value in values.items() if not name.startswith("split.") and name != _SEED}


def _keep_complete(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Keep the seeds that were trained on every fold, so that all repeats have the same clips."""
    folds = {run.data.params[_FOLD] for run in runs}
    return tuple(
        keep_complete_seeds(
            runs, seed=lambda run: run.data.params[_SEED], fold=lambda run: run.data.params[_FOLD], folds=folds
        )
    )


def _pool_runs(split: str, runs: tuple[Run, ...]) -> RunEvaluation:
    folds, seeds = (sorted({run.data.params[name] for run in runs}) for name in (_FOLD, _SEED))
    digests = sorted({run.data.tags.get(CORPUS_DIGEST, "") for run in runs})
    description = f"split {split}, {len(folds)} folds pooled, {len(seeds)} seeds"
    return RunEvaluation(description, (FINAL, split, *digests, *folds), runs)


def _download_predictions(client: MlflowClient, run: Run, part: str, seed: int) -> Predictions:
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = Path(client.download_artifacts(run.info.run_id, PREDICTIONS_FILE, folder))
        except (MlflowException, OSError):
            raise PredictionsError(
                f"run {run.info.run_id} has no {PREDICTIONS_FILE}, only completed trials have one", "name another run"
            ) from None
        try:
            return read_predictions(path, part=part, repeat=seed)
        except PredictionsError:
            raise PredictionsError(
                f"{PREDICTIONS_FILE} of run {run.info.run_id} was written by another version of ser (see the tag "
                f"{GIT_COMMIT} of its sweep)",
                "use that version, or run the sweep again with this one",
            ) from None
