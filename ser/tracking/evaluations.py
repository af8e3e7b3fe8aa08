"""What logged runs predicted, read back from MLflow: a run alone, or the final evaluation of its settings."""

import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ser.statistics.counts import SpeakerCounts, speaker_counts
from ser.trial import PREDICTIONS_FILE

PARENT_ID = "mlflow.parentRunId"

_SEED, _FOLD = "training.seed", "split.fold"
_BEFORE_EMOTIONS = ["clip", "part", "speaker", "truth", "prediction"]


class EvaluationError(ValueError):
    """Predictions that are not there or cannot be compared; the message says why and what to do."""


@dataclass(frozen=True)
class Predictions:
    """What networks made of clips: rows of clip, part, speaker, truth, prediction and the training's seed."""

    rows: pd.DataFrame
    emotions: tuple[str, ...]

    @property
    def seeds(self) -> set[int]:
        """Of the trainings."""
        return set(self.rows["seed"])

    @property
    def n_clips(self) -> int:
        """Different clips."""
        return int(self.rows["clip"].nunique())

    @property
    def speakers(self) -> list[str]:
        """Who speaks, sorted."""
        return sorted(set(self.rows["speaker"]))

    def part(self, name: str) -> "Predictions":
        """Those of one part: validation or test."""
        return replace(self, rows=self.rows[self.rows["part"] == name])

    def of_speakers(self, speakers: Collection[str]) -> "Predictions":
        """Those of some speakers."""
        return replace(self, rows=self.rows[self.rows["speaker"].isin(set(speakers))])

    def of_seeds(self, seeds: Collection[int]) -> "Predictions":
        """Those of some seeds."""
        return replace(self, rows=self.rows[self.rows["seed"].isin(set(seeds))])

    def counts(self) -> SpeakerCounts:
        """By repeat and speaker, repeats in the order of their seeds."""
        rows = self.rows.sort_values(["seed", "clip"])
        classes = [rows[name].map(self.emotions.index).to_numpy() for name in ("truth", "prediction")]
        return speaker_counts(
            list(rows["speaker"]), *classes, n_classes=len(self.emotions), repeats=list(rows["seed"])
        )

    def heard(self) -> set[tuple[int, str, str]]:
        """Seed, clip and truth of each row: the same where two networks were asked the same."""
        return set(zip(self.rows["seed"], self.rows["clip"], self.rows["truth"], strict=True))


@dataclass(frozen=True)
class Evaluation:
    """Runs whose predictions belong together.

    Attributes:
        what: in words.
        key: the same for runs of other settings that were evaluated on the same clips.
        load: reads the predictions, of all parts.
    """

    what: str
    key: tuple[str, ...]
    load: Callable[[], Predictions]


def evaluations(client: MlflowClient, run: Run) -> list[Evaluation]:
    """How the settings of a run were evaluated, the most thorough way first; the run itself comes last."""
    by_split: dict[str, list[Run]] = {}
    for final in _finals(client, run):
        by_split.setdefault(final.data.params["split.name"], []).append(final)
    pooled = [_pooled(client, split, _whole(runs)) for split, runs in by_split.items()]
    tags, split = run.data.tags, run.data.params.get("split.name", "")
    own = ("run", tags.get("ser.corpus_digest", ""), tags.get("ser.split_digest", ""))
    alone = Evaluation(f"split {split}", own, lambda: _read(client, [run]))
    return [*sorted(pooled, key=lambda e: (-int(e.key[2]), e.key)), alone]


def _finals(client: MlflowClient, run: Run) -> list[Run]:
    """The runs of the sweep's final evaluation that have the run's settings, but for split and seed."""
    tags = run.data.tags
    if PARENT_ID not in tags:
        return []
    query = (
        f"tags.`{PARENT_ID}` = '{tags[PARENT_ID]}' and tags.`ser.cell` = '{tags['ser.cell']}' "
        "and tags.`ser.stage` = 'final' and attributes.status = 'FINISHED'"
    )
    found = client.search_runs([run.info.experiment_id], query)
    return [final for final in found if _chosen(final.data.params) == _chosen(run.data.params)]


def _chosen(params: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in params.items() if not name.startswith("split.") and name != _SEED}


def _whole(runs: Sequence[Run]) -> list[Run]:
    """Without the seeds that were not trained on every fold: repeats must be of the same clips."""
    folds = {run.data.params[_FOLD] for run in runs}
    of_seed: dict[str, list[Run]] = {}
    for run in runs:
        of_seed.setdefault(run.data.params[_SEED], []).append(run)
    return [run for same in of_seed.values() if {r.data.params[_FOLD] for r in same} == folds for run in same]


def _pooled(client: MlflowClient, split: str, runs: Sequence[Run]) -> Evaluation:
    folds, seeds = ({run.data.params[name] for run in runs} for name in (_FOLD, _SEED))
    digests = {run.data.tags.get("ser.corpus_digest", "") for run in runs}
    key = ("final", split, str(len(folds)), *sorted(folds), *sorted(digests))
    what = f"{len(folds)} folds of split {split} pooled, {len(seeds)} seeds"
    return Evaluation(what, key, lambda: _read(client, runs))


def _read(client: MlflowClient, runs: Sequence[Run]) -> Predictions:
    frames, emotions = [], ()
    for run in runs:
        frame = _frame(client, run.info.run_id)
        emotions = tuple(frame.columns[len(_BEFORE_EMOTIONS) :])
        # Of one run alone the seed is of no interest, and another's may be another.
        frames.append(frame[_BEFORE_EMOTIONS].assign(seed=int(run.data.params[_SEED]) if len(runs) > 1 else 0))
    return Predictions(pd.concat(frames, ignore_index=True), emotions)


def _frame(client: MlflowClient, run_id: str) -> pd.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = Path(client.download_artifacts(run_id, PREDICTIONS_FILE, folder))
        except (MlflowException, OSError):
            raise EvaluationError(
                f"run {run_id} has no {PREDICTIONS_FILE}: only completed trials have; name another run"
            ) from None
        frame = pd.read_csv(path, dtype={"clip": str, "speaker": str}, keep_default_na=False)
    if list(frame.columns[: len(_BEFORE_EMOTIONS)]) != _BEFORE_EMOTIONS:
        raise EvaluationError(
            f"{PREDICTIONS_FILE} of run {run_id} does not name the speakers, as older versions of ser wrote it: "
            f"repeat the run with python tune/train_one.py run={run_id} --log"
        )
    return frame
