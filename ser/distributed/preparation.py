"""From a corpus folder to clips, features and parts: find, extract, leave out what is faulty, split."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from ser.console import clip_progress, tell_clips
from ser.corpora.base import CORPORA, Clip, CorpusChoice, CorpusError, describe
from ser.corpora.cremad_tables import vote_shares
from ser.corpora.locations import Location, resolved
from ser.distributed.duplicates import find_twins
from ser.distributed.extraction import extract
from ser.experiment.experiment import Experiment
from ser.features.batch import Extraction
from ser.features.clip_selection import usable
from ser.features.duplicates import Twins
from ser.features.pipeline import Pipeline
from ser.features.quarantine import Quarantine
from ser.features.spaces import FrameSpace, MelSpace
from ser.features.store import FeatureStore
from ser.splits.manifests import manifests
from ser.splits.split import Partition, Split, missing, partition
from ser.sweep.final_evaluation import Final, fitting
from ser.sweep.plan import Plan
from ser.sweep.state import SweepRecord


@dataclass(frozen=True)
class Prepared:
    """A corpus whose features are in the store, split: clips, digests and partition are in one order.

    `twins` names every two clips that are one take, of those that were not left out.
    """

    choice: CorpusChoice
    folder: str
    clips: tuple[Clip, ...]
    digests: tuple[str, ...]
    twins: Twins
    partition: Partition
    store: FeatureStore
    pipeline: Pipeline

    @property
    def emotions(self) -> tuple[str, ...]:
        """The classes, in the order of their labels."""
        return CORPORA[self.choice.name].emotions

    @property
    def corpus_digest(self) -> str:
        """Of all clips' names and bytes."""
        return clips_digest(self.clips, self.digests)


def clips_digest(clips: Sequence[Clip], digests: Sequence[str]) -> str:
    """Digest of clips' names and bytes.

    Args:
        clips: in their order.
        digests: of their files, in the same order.
    """
    content = "".join(f"{c.name} {d}\n" for c, d in zip(clips, digests, strict=True))
    return hashlib.sha256(content.encode()).hexdigest()


def find_clips(choice: CorpusChoice, folder: Location, console: Console) -> tuple[Clip, ...]:
    """The clips of a corpus in `folder`; what was found is told.

    Raises:
        CorpusError: nothing usable there.
    """
    corpus = CORPORA[choice.name]
    scan = corpus().scan(folder)
    console.print(f"Corpus {choice.name} in {folder}: {describe(corpus, scan.clips)}")
    if scan.misnamed:
        tell_clips(console, "files whose names do not fit the corpus are left out", scan.misnamed)
    for reason, names in scan.left_out.items():
        tell_clips(console, f"files are left out: {reason}", names)
    return scan.clips


def extract_all(
    clips: Sequence[Clip],
    store: FeatureStore,
    pipeline: Pipeline,
    console: Console,
    *,
    quarantine: Quarantine | None,
    whole: bool = False,
) -> Extraction:
    """Features of all clips into the store, with progress; clips that cannot be used are told and reported.

    Args:
        clips: to read.
        store: of features.
        pipeline: what to compute.
        console: where to tell of it.
        quarantine: for the clips that cannot be used; None where they are known, and left out already.
        whole: compare the checksums of all entries that are there: the features are going to be loaded.

    Raises:
        CorpusError: too many clips cannot be used.
        UserError: the store cannot be written.
    """
    started = time.monotonic()
    with clip_progress(console, len(clips)) as progress:
        extraction = extract(
            clips,
            store=store,
            pipeline=pipeline,
            whole=whole,
            most_unusable=quarantine.most(len(clips)) if quarantine else 0,
            progress=progress,
        )
    console.print(
        f"Features of {len(extraction.facts):,} clips in {store.root}: {extraction.n_computed:,} computed, "
        f"{len(extraction.facts) - extraction.n_computed:,} were there, in {time.monotonic() - started:.1f} s"
    )
    if quarantine is None:
        return extraction
    quarantine.write(clips, extraction)
    if extraction.unusable:
        listed = [f"{name}: {reason}" for name, reason in extraction.unusable.items()]
        tell_clips(console, f"clips cannot be used, all of them in {quarantine.report}", listed)
    quarantine.refuse_too_many(extraction, len(clips))
    return extraction


def quarantine_of(choice: CorpusChoice, store: FeatureStore, max_bad: float) -> Quarantine:
    """Beside the store, a report for each corpus."""
    return Quarantine(store.root.parent / f"quarantine-{choice.name}.csv", max_bad)


def find_fitting(plan: Plan, finals: Sequence[Final], corpus_dir: Location, console: Console) -> tuple[Clip, ...]:
    """The clips of a sweep, by their names alone: what can be refused unheard is refused before Ray starts.

    Raises:
        CorpusError: no usable corpus in the folder, or listeners' votes are needed and are not there.
        UserError: the split does not fit the clips.
    """
    experiments = plan.experiments()
    choice, split = _common(experiments)
    clips = find_clips(choice, corpus_dir, console)
    partition(clips, split)
    for _ in fitting(finals, clips):
        pass
    refuse_lacking_votes(plan, clips, corpus_dir)
    return clips


def refuse_lacking_votes(plan: Plan, clips: Sequence[Clip], corpus_dir: Location) -> None:
    """Refuse what would train on listeners' votes where they are not known.

    Raises:
        CorpusError: the votes of a clip are not there.
    """
    for (_, variant), experiment in plan.trained().items():
        if experiment.training.vote_share:
            try:
                vote_shares(experiment.corpus, corpus_dir, clips)
            except CorpusError as error:
                raise CorpusError(f"variant '{variant}': {error}" if variant else str(error)) from None


def choose_finals(prepared: Prepared, finals: Sequence[Final], console: Console) -> list[Final]:
    """Those of `finals` that are left to test on; what is left out is told, with its reason.

    Raises:
        UserError: a split does not fit the clips, or leaks.
    """
    digests = {clip.name: digest for clip, digest in zip(prepared.clips, prepared.digests, strict=True)}
    chosen = list(fitting(finals, prepared.clips, digests, prepared.twins))
    for line in dict.fromkeys(line for line in chosen if isinstance(line, str)):
        console.print(f"Final evaluation: {line}", highlight=False)
    return [final for final in chosen if isinstance(final, Final)]


def prepare(
    experiments: Mapping[str, Experiment],
    clips: Sequence[Clip],
    *,
    corpus_dir: Location,
    store_dir: Path,
    max_bad: float,
    console: Console,
) -> Prepared:
    """Everything between the clips and the first trial. Ray must be running.

    Raises:
        CorpusError: more than `max_bad` percent of the clips cannot be used.
        UserError: the split does not fit the clips that can be used, or leaks.
        UserError: the feature store cannot be used.
    """
    choice, split = _common(experiments)
    pipeline = pipeline_of(experiments)
    store = FeatureStore(store_dir.resolve())
    quarantine = quarantine_of(choice, store, max_bad)
    extraction = extract_all(clips, store, pipeline, console, quarantine=quarantine, whole=True)
    facts = extraction.facts

    def twins_of(some: Sequence[Clip]) -> Twins:
        return find_twins(some, [facts[clip.name].digest for clip in some], store, pipeline)

    clips, twins = usable(clips, facts, choice=choice, twins_of=twins_of, console=console)
    digests = {clip.name: facts[clip.name].digest for clip in clips}
    parts = partition(clips, split, digests=digests, twins=twins)
    console.print(
        f"Split {manifests()[parts.name]}, {parts.kind}, fold {parts.fold}: {len(parts.train):,} training, "
        f"{len(parts.validation):,} validation, {len(parts.test):,} test clips"
    )
    lacking = missing(clips, split)
    if lacking:
        console.print(f"This is part of its corpus: {lacking}")
    return Prepared(choice, resolved(corpus_dir), clips, tuple(digests.values()), twins, parts, store, pipeline)


def corpus_facts(prepared: Prepared) -> dict[str, Any]:
    """What the journal keeps of the corpus."""
    parts = prepared.partition
    return {
        "corpus": prepared.choice.name,
        "corpus_dir": prepared.folder,
        "corpus_digest": prepared.corpus_digest,
        "split_digest": parts.digest,
        "split_manifest": str(manifests()[parts.name]),
        "n_clips": len(prepared.clips),
        "n_speakers": len({clip.speaker for clip in prepared.clips}),
        "n_train": len(parts.train),
        "n_validation": len(parts.validation),
        "n_test": len(parts.test),
        "emotions": list(prepared.emotions),
    }


def refuse_other_clips(before: SweepRecord, prepared: Prepared) -> None:
    """Refuse to go on with a sweep on other clips than it began with.

    Raises:
        CorpusError: clips, their bytes or the split have changed.
    """
    now = corpus_facts(prepared)
    for name in ("corpus_digest", "split_digest"):
        if before.facts.get(name, now[name]) != now[name]:
            raise CorpusError(
                f"{prepared.folder} does not hold the {before.facts['n_clips']:,} clips that sweep '{before.name}' "
                f"began with, but {now['n_clips']:,} that can be used: give their folder by --corpus-dir; if it is "
                "that one, its files have changed, or another version of ser chose among them: start a new sweep"
            )


def _common(experiments: Mapping[str, Experiment]) -> tuple[CorpusChoice, Split]:
    first = next(iter(experiments.values()))
    return first.corpus, first.split


def pipeline_of(experiments: Mapping[str, Experiment]) -> Pipeline:
    """What a sweep of these experiments has computed and stored of every clip."""
    spaces = {type(experiment.features): experiment.features for experiment in experiments.values()}
    frame, mel = spaces.get(FrameSpace, FrameSpace()), spaces.get(MelSpace, MelSpace())
    assert isinstance(frame, FrameSpace)
    assert isinstance(mel, MelSpace)
    return Pipeline(frame, mel)
