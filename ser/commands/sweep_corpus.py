"""The corpus of a sweep: clips found and checked by name before Ray starts, then prepared by Ray tasks."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ser.corpora.base import Clip, CorpusError
from ser.corpora.cremad_tables import read_vote_shares
from ser.corpora.locations import Location
from ser.distributed.extraction import RayExtractor
from ser.experiment.preparation import PreparedCorpus, build_pipeline, describe_split, find_clips, prepare_corpus
from ser.features.store import FeatureStore
from ser.splits.partition import Partition
from ser.splits.split import partition
from ser.sweep.final_evaluation import PlannedTraining, select_trainings
from ser.sweep.plan import Plan


def find_sweep_clips(
    plan: Plan, trainings: Sequence[PlannedTraining], corpus_dir: Location, console: Console
) -> tuple[Clip, ...]:
    """Find the clips of a sweep by their names, and refuse what can be refused without reading them.

    Args:
        plan: plan of the sweep.
        trainings: planned trainings, whose splits must fit the clips.
        corpus_dir: folder or URL of the corpus.
        console: where to print the excluded clips.

    Raises:
        CorpusError: no usable corpus in the folder, or the listeners' votes are needed and missing.
        UserError: the split does not fit the clips.
    """
    clips = find_clips(plan.corpus_choice, corpus_dir, console)
    partition(clips, plan.search_split)
    select_trainings(trainings, clips)
    refuse_missing_votes(plan, clips, corpus_dir)
    return clips


def refuse_missing_votes(plan: Plan, clips: Sequence[Clip], corpus_dir: Location) -> None:
    """Refuse to train on listeners' votes that are missing.

    Raises:
        CorpusError: the votes of a clip are missing.
    """
    for (_, variant), experiment in plan.trained_experiments.items():
        if experiment.training.vote_share:
            try:
                read_vote_shares(experiment.corpus, corpus_dir, clips)
            except CorpusError as error:
                prefix = f"variant '{variant}': " if variant else ""
                raise CorpusError(f"{prefix}{error.problem}", error.remedy) from None


def prepare_sweep_corpus(
    plan: Plan, clips: Sequence[Clip], *, corpus_dir: Location, home: Path, max_bad: float, console: Console
) -> tuple[PreparedCorpus, Partition]:
    """Extract the features of a sweep's clips into the store, and partition the clips by its split.

    Ray must be running.

    Args:
        plan: plan of the sweep.
        clips: clips as `find_sweep_clips` gives them.
        corpus_dir: folder or URL of the corpus.
        home: folder of the feature store.
        max_bad: largest allowed percentage of unusable clips.
        console: where to print the progress.

    Raises:
        CorpusError: more than `max_bad` percent of the clips are unusable.
        UserError: the split does not fit the usable clips or leaks, or the feature store cannot be used.
    """
    prepared = prepare_corpus(
        plan.corpus_choice,
        corpus_dir,
        clips,
        store=FeatureStore((home / "features").resolve()),
        pipeline=build_pipeline(plan.experiments.values()),
        extractor=RayExtractor(),
        max_bad=max_bad,
        console=console,
    )
    parts = prepared.partition(plan.search_split)
    for line in describe_split(prepared, parts, plan.search_split):
        console.print(line)
    return prepared, parts


def choose_trainings(
    prepared: PreparedCorpus, trainings: Sequence[PlannedTraining], console: Console
) -> tuple[PlannedTraining, ...]:
    """Choose the planned trainings whose splits fit the clips, and print the reason for each omitted one.

    Raises:
        UserError: a split does not fit the clips, or leaks.
    """
    digests = {clip.name: digest for clip, digest in zip(prepared.clips, prepared.digests, strict=True)}
    selection = select_trainings(trainings, prepared.clips, digests, prepared.duplicates)
    for reason in selection.omitted:
        console.print(f"Final evaluation: {reason}", highlight=False)
    return selection.kept
