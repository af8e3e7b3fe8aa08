"""The lines that every network is compared with, on the very clips of each split: chance, SVM, listeners."""

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
    find_table,
    read_actors,
    read_votes,
    where_to_get,
)
from ser.corpora.locations import name_of
from ser.distributed.tasks import get_result, run_bounded
from ser.evaluation.baselines import (
    BASELINES_FOLDER,
    HUMAN_VOTE,
    MAJORITY,
    MFCC_SVM,
    SvmResult,
    baseline_path,
    majority,
    mfcc_svm,
    summarise,
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

_SUMMARISED_TOGETHER = 256


def list_compared_splits(plan: Plan, trainings: Iterable[PlannedTraining]) -> list[Split]:
    """The splits that figures of a sweep are of: that of its search, then those of its final evaluation, each once."""
    return list(dict.fromkeys([plan.search_split, *(training.split for training in trainings)]))


def measure_baselines(sweep_dir: Path, prepared: PreparedCorpus, splits: Sequence[Split], console: Console) -> None:
    """Write what chance, MFCC + SVM and listeners make of each split, and who the speakers are, to a sweep's folder.

    What is there already stays, so that a sweep which goes on measures only what it lacks. Ray must be running.

    Args:
        sweep_dir: folder of the sweep.
        prepared: its clips, their features in the store.
        splits: each fold by itself, such as `list_compared_splits` gives them.
        console: where to show progress.

    Raises:
        CorpusError: a table of the corpus cannot be right.
        UserError: a split does not fit the clips.
        UserError: features have gone since they were extracted.
    """
    parts = {split: prepared.partition(split) for split in splits}
    _measure_chance(sweep_dir, prepared, parts)
    _tell_listeners(sweep_dir, prepared, parts, console)
    _tell_speakers(sweep_dir, prepared, console)
    _measure_svm(sweep_dir, prepared, parts, console)


def remove_baselines(sweep_dir: Path) -> None:
    """Remove what a start that came to nothing has left in the folder of a new sweep: it may be of other clips."""
    shutil.rmtree(sweep_dir / BASELINES_FOLDER, ignore_errors=True)
    (sweep_dir / SPEAKERS_FILE).unlink(missing_ok=True)


def _missing(sweep_dir: Path, name: str, parts: dict[Split, Partition]) -> Iterator[tuple[Path, Split, Partition]]:
    for split, made in parts.items():
        path = baseline_path(sweep_dir, name, split)
        if not path.exists():
            yield path, split, made


def _write(path: Path, predicted: dict[str, PartPredictions], prepared: PreparedCorpus) -> None:
    write_predictions(path, predicted, clips=prepared.clips, emotions=prepared.emotions)


def _measure_chance(sweep_dir: Path, prepared: PreparedCorpus, parts: dict[Split, Partition]) -> None:
    for path, _, made in _missing(sweep_dir, MAJORITY, parts):
        _write(path, majority(_labels(prepared), made, n_classes=len(prepared.emotions)), prepared)


def _measure_svm(sweep_dir: Path, prepared: PreparedCorpus, parts: dict[Split, Partition], console: Console) -> None:
    n_classes, known = len(prepared.emotions), _labels(prepared)
    missing = []
    for path, split, made in _missing(sweep_dir, MFCC_SVM, parts):
        if len(set(known[list(made.train)].tolist())) == n_classes:
            missing.append((path, split, made))
        else:
            console.print(f"MFCC + SVM is left out: a class has no training clip in {split.name} fold {split.fold}")
    if not missing:
        return
    summaries, labels = ray.put(_summaries(prepared)), ray.put(known)
    calls = [
        partial(_train_svm.remote, at, summaries, labels, made, n_classes) for at, (_, _, made) in enumerate(missing)
    ]
    for n_done, (at, result) in enumerate(run_bounded(calls), 1):
        path, split, _ = missing[at]
        _write(path, result.predicted, prepared)
        console.print(
            f"MFCC + SVM, {n_done} of {len(missing)}: {split.name} fold {split.fold}, "
            f"validation UAR {100 * result.validation_uar:.1f} %"
        )


def _tell_listeners(sweep_dir: Path, prepared: PreparedCorpus, parts: dict[Split, Partition], console: Console) -> None:
    missing = list(_missing(sweep_dir, HUMAN_VOTE, parts))
    table = _table(VOTES, prepared, console) if missing else None
    if table is None:
        return
    votes = read_votes(table)
    _refuse_lacking(table, {clip.name for clip in prepared.clips} - votes.keys())
    for path, _, made in missing:
        predicted = {part: _heard(made.parts[part], prepared, votes) for part in ("validation", "test")}
        _write(path, predicted, prepared)


def _heard(positions: Sequence[int], prepared: PreparedCorpus, votes: dict[str, Vote]) -> PartPredictions:
    emotions = prepared.emotions
    names = [prepared.clips[at].name for at in positions]
    settled = [emotions.index(votes[name].settled(name)) for name in names]
    shares = [votes[name].row(emotions) for name in names]
    return PartPredictions(np.asarray(positions), np.array(settled), np.array(shares))


def _tell_speakers(sweep_dir: Path, prepared: PreparedCorpus, console: Console) -> None:
    path = sweep_dir / SPEAKERS_FILE
    table = None if path.exists() else _table(DEMOGRAPHICS, prepared, console)
    if table is None:
        return
    actors = read_actors(table)
    _refuse_lacking(table, {clip.speaker for clip in prepared.clips} - actors.keys())
    with replace_file(path) as written, written.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["speaker", "sex", "age", "age_band"])
        rows.writerows(_speaker_rows(prepared.clips, actors))


def _speaker_rows(clips: Sequence[Clip], actors: dict[str, Actor]) -> Iterator[tuple[str, str, int, str]]:
    for speaker in sorted({clip.speaker for clip in clips}):
        actor = actors[speaker]
        yield speaker, actor.sex, actor.age, actor.age_band


def _table(name: str, prepared: PreparedCorpus, console: Console) -> str | None:
    """Where a table of the corpus lies; a corpus of real recordings that lacks it is told where to get it."""
    if prepared.choice.name != CORPUS:
        return None
    found = find_table(name, prepared.folder)
    if found is None:
        console.print(where_to_get(name))
    return found


def _refuse_lacking(table: str, lacking: Set[str]) -> None:
    if lacking:
        raise CorpusError(f"{table} says nothing of {min(lacking)}: {where_to_get(name_of(table))}")


def _labels(prepared: PreparedCorpus) -> NDArray[np.int64]:
    return np.array([prepared.emotions.index(clip.emotion) for clip in prepared.clips])


def _summaries(prepared: PreparedCorpus) -> NDArray[np.float64]:
    """The summaries of all clips' MFCC, (n, D)."""
    firsts = range(0, len(prepared.digests), _SUMMARISED_TOGETHER)
    batches = [prepared.digests[first : first + _SUMMARISED_TOGETHER] for first in firsts]
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
    number: int, summaries: NDArray[np.float64], labels: NDArray[np.int64], made: Partition, n_classes: int
) -> tuple[int, SvmResult]:
    return number, mfcc_svm(summaries, labels, made, n_classes=n_classes)
