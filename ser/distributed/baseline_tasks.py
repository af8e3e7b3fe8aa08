"""Baselines on the clips of each split: chance, MFCC + SVM, and the listeners' vote."""

import csv
import shutil
from collections.abc import Iterable, Iterator, Sequence, Set
from functools import partial
from pathlib import Path

import numpy as np
import ray
from numpy.typing import NDArray
from rich.console import Console

from ser.corpora.base import Clip, CorpusError
from ser.corpora.cremad_tables import (
    CORPUS,
    DEMOGRAPHICS,
    VOTES,
    Actor,
    Vote,
    describe_missing_table,
    find_table,
    read_actors,
    read_votes,
)
from ser.distributed.tasks import get_result, run_bounded
from ser.evaluation.baselines import (
    BASELINES_FOLDER,
    HUMAN_VOTE,
    MAJORITY,
    MFCC_SVM,
    SvmResult,
    baseline_path,
    predict_majority,
    summarise,
    train_mfcc_svm,
)
from ser.evaluation.predictions_file import PartPredictions, write_predictions
from ser.experiment.preparation import PreparedCorpus
from ser.features.pipeline import Pipeline
from ser.features.spaces import family_names
from ser.features.store import FeatureStore
from ser.files import replace_file
from ser.report.slices import SPEAKERS_FILE
from ser.splits.partition import Partition
from ser.splits.split import Split
from ser.sweep.final_evaluation import PlannedTraining
from ser.sweep.plan import Plan

_CLIPS_PER_TASK = 256


def list_compared_splits(plan: Plan, trainings: Iterable[PlannedTraining]) -> list[Split]:
    """List the splits of a sweep's results, each once: of its search, then of its final evaluation.

    Args:
        plan: plan of the sweep.
        trainings: trainings of its final evaluation, or of its ablation.
    """
    return list(dict.fromkeys([plan.search_split, *(training.split for training in trainings)]))


def measure_baselines(sweep_dir: Path, prepared: PreparedCorpus, splits: Sequence[Split], console: Console) -> None:
    """Write the predictions of the baselines on each split, and the table of speakers, to a sweep's folder.

    Existing files are kept, so that a resumed sweep measures only what is missing. Ray must be running.

    Args:
        sweep_dir: folder of the sweep.
        prepared: its clips, their features in the store.
        splits: splits with their folds, as from `list_compared_splits`.
        console: for progress.

    Raises:
        CorpusError: a table of the corpus is damaged, or lacks a clip or a speaker.
        UserError: a split does not fit the clips, or features have been deleted since they were extracted.
        WorkerDiedError: a worker process died in every attempt.
    """
    parts = {split: prepared.partition(split) for split in splits}
    _measure_chance(sweep_dir, prepared, parts)
    _write_listeners(sweep_dir, prepared, parts, console)
    _write_speakers(sweep_dir, prepared, console)
    _measure_svm(sweep_dir, prepared, parts, console)


def remove_baselines(sweep_dir: Path) -> None:
    """Remove the baselines that a failed start left in the folder of a new sweep: they may be of other clips."""
    shutil.rmtree(sweep_dir / BASELINES_FOLDER, ignore_errors=True)
    (sweep_dir / SPEAKERS_FILE).unlink(missing_ok=True)


def _list_missing(sweep_dir: Path, name: str, parts: dict[Split, Partition]) -> Iterator[tuple[Path, Split, Partition]]:
    for split, partition in parts.items():
        path = baseline_path(sweep_dir, name, split)
        if not path.exists():
            yield path, split, partition


def _write(path: Path, predicted: dict[str, PartPredictions], prepared: PreparedCorpus) -> None:
    write_predictions(path, predicted, clips=prepared.clips, emotions=prepared.emotions)


def _measure_chance(sweep_dir: Path, prepared: PreparedCorpus, parts: dict[Split, Partition]) -> None:
    for path, _, partition in _list_missing(sweep_dir, MAJORITY, parts):
        _write(path, predict_majority(_make_labels(prepared), partition, n_classes=len(prepared.emotions)), prepared)


def _measure_svm(sweep_dir: Path, prepared: PreparedCorpus, parts: dict[Split, Partition], console: Console) -> None:
    n_classes, labels = len(prepared.emotions), _make_labels(prepared)
    missing = []
    for path, split, partition in _list_missing(sweep_dir, MFCC_SVM, parts):
        if len(set(labels[list(partition.train)].tolist())) == n_classes:
            missing.append((path, split, partition))
        else:
            console.print(f"MFCC + SVM is omitted: a class has no training clip in {split.name} fold {split.fold}")
    if not missing:
        return
    summaries_ref, labels_ref = ray.put(_summarise_clips(prepared)), ray.put(labels)
    calls = [
        partial(_train_svm.remote, at, summaries_ref, labels_ref, partition, n_classes)
        for at, (_, _, partition) in enumerate(missing)
    ]
    for n_done, (at, result) in enumerate(run_bounded(calls), 1):
        path, split, _ = missing[at]
        _write(path, result.predictions, prepared)
        console.print(
            f"MFCC + SVM, {n_done} of {len(missing)}: {split.name} fold {split.fold}, "
            f"validation UAR {100 * result.validation_uar:.1f} %"
        )


def _write_listeners(
    sweep_dir: Path, prepared: PreparedCorpus, parts: dict[Split, Partition], console: Console
) -> None:
    missing = list(_list_missing(sweep_dir, HUMAN_VOTE, parts))
    table = _find_corpus_table(VOTES, prepared, console) if missing else None
    if table is None:
        return
    votes = read_votes(table)
    _refuse_incomplete(table, {clip.name for clip in prepared.clips} - votes.keys())
    for path, _, partition in missing:
        predicted = {part: _predict_votes(partition.parts[part], prepared, votes) for part in ("validation", "test")}
        _write(path, predicted, prepared)


def _predict_votes(positions: Sequence[int], prepared: PreparedCorpus, votes: dict[str, Vote]) -> PartPredictions:
    emotions = prepared.emotions
    names = [prepared.clips[at].name for at in positions]
    settled = [emotions.index(votes[name].break_tie(name)) for name in names]
    shares = [votes[name].to_row(emotions) for name in names]
    return PartPredictions(np.asarray(positions), np.array(settled), np.array(shares))


def _write_speakers(sweep_dir: Path, prepared: PreparedCorpus, console: Console) -> None:
    path = sweep_dir / SPEAKERS_FILE
    table = None if path.exists() else _find_corpus_table(DEMOGRAPHICS, prepared, console)
    if table is None:
        return
    actors = read_actors(table)
    _refuse_incomplete(table, {clip.speaker for clip in prepared.clips} - actors.keys())
    with replace_file(path) as written, written.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["speaker", "sex", "age", "age_band"])
        rows.writerows(_list_speaker_rows(prepared.clips, actors))


def _list_speaker_rows(clips: Sequence[Clip], actors: dict[str, Actor]) -> Iterator[tuple[str, str, int, str]]:
    for speaker in sorted({clip.speaker for clip in clips}):
        actor = actors[speaker]
        yield speaker, actor.sex, actor.age, actor.age_band


def _find_corpus_table(name: str, prepared: PreparedCorpus, console: Console) -> str | None:
    """Find a table of CREMA-D, else print where to get it; None without a table, and for another corpus."""
    if prepared.choice.name != CORPUS:
        return None
    found = find_table(name, prepared.folder)
    if found is None:
        console.print(str(describe_missing_table(name)))
    return found


def _refuse_incomplete(table: str, missing: Set[str]) -> None:
    if missing:
        raise CorpusError(
            f"{table} has no row for {min(missing)}", "replace it by the whole table of CREMA-D's repository"
        )


def _make_labels(prepared: PreparedCorpus) -> NDArray[np.int64]:
    return np.array([prepared.emotions.index(clip.emotion) for clip in prepared.clips])


def _summarise_clips(prepared: PreparedCorpus) -> NDArray[np.float64]:
    """Summarise the MFCC of all clips, (n, D)."""
    firsts = range(0, len(prepared.digests), _CLIPS_PER_TASK)
    batches = [prepared.digests[first : first + _CLIPS_PER_TASK] for first in firsts]
    refs = [_summarise.remote(batch, prepared.store, prepared.pipeline) for batch in batches]
    return np.concatenate([get_result(ref) for ref in refs])


@ray.remote(num_cpus=1, max_retries=3)
def _summarise(digests: Sequence[str], store: FeatureStore, pipeline: Pipeline) -> NDArray[np.float64]:
    layout = pipeline.frame_space.layout
    rows = np.flatnonzero(np.repeat([name == "mfcc" for name in family_names()], list(layout.values())))
    entries = (store.load(digest, pipeline) for digest in digests)
    return np.stack([summarise(entry.features["1d"][:, rows]) for entry in entries])


@ray.remote(num_cpus=1, max_retries=3)
def _train_svm(
    number: int, summaries: NDArray[np.float64], labels: NDArray[np.int64], partition: Partition, n_classes: int
) -> tuple[int, SvmResult]:
    return number, train_mfcc_svm(summaries, labels, partition, n_classes=n_classes)
