"""The clips of a sweep: found, checked by their names before Ray starts, and prepared by Ray tasks."""

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
    """The clips of a sweep, by their names alone: what can be refused without reading them is refused here.

    Raises:
        CorpusError: no usable corpus in the folder, or listeners' votes are needed and are not there.
        UserError: the split does not fit the clips.
    """
    clips = find_clips(plan.corpus_choice, corpus_dir, console)
    partition(clips, plan.search_split)
    select_trainings(trainings, clips)
    refuse_missing_votes(plan, clips, corpus_dir)
    return clips


def refuse_missing_votes(plan: Plan, clips: Sequence[Clip], corpus_dir: Location) -> None:
    """Refuse to train on listeners' votes where they are not known.

    Raises:
        CorpusError: the votes of a clip are not there.
    """
    for (_, variant), experiment in plan.trained_experiments.items():
        if experiment.training.vote_share:
            try:
                read_vote_shares(experiment.corpus, corpus_dir, clips)
            except CorpusError as error:
                of_variant = f"variant '{variant}': " if variant else ""
                raise CorpusError(f"{of_variant}{error.problem}", error.remedy) from None


def prepare_sweep_corpus(
    plan: Plan, clips: Sequence[Clip], *, corpus_dir: Location, home: Path, max_bad: float, console: Console
) -> tuple[PreparedCorpus, Partition]:
    """Features of a sweep's clips in the store of its home, and the parts of its split. Ray must be running.

    Raises:
        CorpusError: more than `max_bad` percent of the clips cannot be used.
        UserError: the split does not fit the clips that can be used, or leaks; or the feature store cannot be used.
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
    """The planned trainings that are left to test on; why others are omitted is printed.

    Raises:
        UserError: a split does not fit the clips, or leaks.
    """
    digests = {clip.name: digest for clip, digest in zip(prepared.clips, prepared.digests, strict=True)}
    selection = select_trainings(trainings, prepared.clips, digests, prepared.duplicates)
    for reason in selection.omitted:
        console.print(f"Final evaluation: {reason}", highlight=False)
    return selection.kept
