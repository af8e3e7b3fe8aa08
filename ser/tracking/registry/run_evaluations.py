"""How a logged run was evaluated, read back from MLflow: by itself, or by the final evaluation of its settings."""

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

PARENT_ID = "mlflow.parentRunId"

_SEED, _FOLD, _SPLIT = "training.seed", "split.fold", "split.name"


@dataclass(frozen=True)
class RunEvaluation:
    """Runs whose predictions belong together.

    Attributes:
        what: their split, folds and seeds in words.
        key: the same for other settings that were evaluated on the same clips.
        runs: of the final evaluation, or the one run.
    """

    what: str
    key: tuple[str, ...]
    runs: tuple[Run, ...]

    def predictions(self, client: MlflowClient, part: str) -> Predictions:
        """What the runs predicted of 'validation' or 'test' clips; of one run alone the seed does not count.

        Raises:
            PredictionsError: a run has none, or they were written by another version.
        """
        seeds = [int(run.data.params[_SEED]) for run in self.runs] if len(self.runs) > 1 else [0]
        read = [_read(client, run, part, seed) for run, seed in zip(self.runs, seeds, strict=True)]
        return concatenate_predictions(read)


def list_evaluations(client: MlflowClient, run: Run) -> list[RunEvaluation]:
    """How the settings of a run were evaluated: the final evaluation with the most folds first, the run itself last."""
    by_split: dict[str, list[Run]] = {}
    for final in _finals(client, run):
        by_split.setdefault(final.data.params[_SPLIT], []).append(final)
    wholes = ((split, _whole(runs)) for split, runs in by_split.items())
    pooled = [_pooled(split, whole) for split, whole in wholes if whole]
    tags = run.data.tags
    own = ("run", tags.get("ser.corpus_digest", ""), tags.get("ser.split_digest", ""))
    return [
        *sorted(pooled, key=lambda evaluation: (-len(evaluation.key), evaluation.key)),
        RunEvaluation(f"split {run.data.params.get(_SPLIT, 'unknown')}", own, (run,)),
    ]


def _finals(client: MlflowClient, run: Run) -> list[Run]:
    """The runs of the sweep's final evaluation that have the run's settings, but for split and seed."""
    tags = run.data.tags
    if PARENT_ID not in tags:
        return []
    query = (
        f"tags.`{PARENT_ID}` = '{tags[PARENT_ID]}' and tags.`ser.cell` = '{tags['ser.cell']}' "
        f"and tags.`ser.stage` = '{FINAL}' and attributes.status = 'FINISHED'"
    )
    found = client.search_runs([run.info.experiment_id], query)
    return [final for final in found if _chosen(final.data.params) == _chosen(run.data.params)]


def _chosen(params: Mapping[str, str]) -> dict[str, Value]:
    """Settings that an earlier version did not log stand at their defaults."""
    values = from_flat(params).flat()
    return {name: value for name, value in values.items() if not name.startswith("split.") and name != _SEED}


def _whole(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Without the seeds that were not trained on every fold: repeats must be of the same clips."""
    folds = {run.data.params[_FOLD] for run in runs}
    return tuple(
        keep_complete_seeds(
            runs, seed=lambda run: run.data.params[_SEED], fold=lambda run: run.data.params[_FOLD], folds=folds
        )
    )


def _pooled(split: str, runs: tuple[Run, ...]) -> RunEvaluation:
    folds, seeds = (sorted({run.data.params[name] for run in runs}) for name in (_FOLD, _SEED))
    digests = sorted({run.data.tags.get("ser.corpus_digest", "") for run in runs})
    what = f"split {split}, {len(folds)} folds pooled, {len(seeds)} seeds"
    return RunEvaluation(what, (FINAL, split, *digests, *folds), runs)


def _read(client: MlflowClient, run: Run, part: str, seed: int) -> Predictions:
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = Path(client.download_artifacts(run.info.run_id, PREDICTIONS_FILE, folder))
        except (MlflowException, OSError):
            raise PredictionsError(
                f"run {run.info.run_id} has no {PREDICTIONS_FILE}, only completed trials have one: name another run"
            ) from None
        try:
            return read_predictions(path, part=part, repeat=seed)
        except PredictionsError:
            raise PredictionsError(
                f"{PREDICTIONS_FILE} of run {run.info.run_id} was written by another version of ser (its sweep's tag "
                "ser.git_commit says which): use that one, or run the sweep again with this one"
            ) from None
