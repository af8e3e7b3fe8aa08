"""Preparation of a corpus: find clips, extract features, exclude faulty clips, split.

Every command prepares a corpus in this way; they differ only in the `Extractor`, which runs with or without Ray.
"""

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console

from ser.console import print_clips, show_clip_progress
from ser.corpora.base import CORPORA, Clip, CorpusChoice, describe_completeness
from ser.corpora.locations import Location, resolve_location
from ser.experiment.experiment import Experiment
from ser.features.batch import Extraction
from ser.features.clip_selection import select_clips
from ser.features.duplicates import DuplicatePairs, find_duplicates
from ser.features.extractor import Extractor
from ser.features.pipeline import Pipeline
from ser.features.quarantine import Quarantine
from ser.features.spaces import FrameSpace, MelSpace
from ser.features.store import FeatureStore
from ser.splits.manifests import load_manifests
from ser.splits.partition import Partition
from ser.splits.split import Split, describe_missing, partition


@dataclass(frozen=True)
class PreparedCorpus:
    """The usable clips of a corpus, with their features in the store.

    Attributes:
        choice: corpus, and the selection of its clips.
        folder: its folder or URL, absolute.
        clips: the clips that were not excluded.
        digests: digests of their bytes, in the same order.
        duplicates: pairs of names of clips that are the same recording.
        store: holds their features.
        pipeline: computed the features.
    """

    choice: CorpusChoice
    folder: str
    clips: tuple[Clip, ...]
    digests: tuple[str, ...]
    duplicates: DuplicatePairs
    store: FeatureStore
    pipeline: Pipeline

    @property
    def emotions(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their labels."""
        return CORPORA[self.choice.name].emotions

    @property
    def digest(self) -> str:
        """Digest of the names and bytes of all clips."""
        return digest_clips(self.clips, self.digests)

    def partition(self, split: Split) -> Partition:
        """Assign the clips to the parts of a split, and check it for leaks.

        Raises:
            UserError: the split does not fit the clips, or leaks.
        """
        digests = {clip.name: digest for clip, digest in zip(self.clips, self.digests, strict=True)}
        return partition(self.clips, split, digests=digests, duplicates=self.duplicates)


def digest_clips(clips: Sequence[Clip], digests: Sequence[str]) -> str:
    """Compute one digest of the names and bytes of clips.

    Args:
        clips: in their order.
        digests: digests of their files, in the same order.
    """
    content = "".join(f"{c.name} {d}\n" for c, d in zip(clips, digests, strict=True))
    return hashlib.sha256(content.encode()).hexdigest()


def find_clips(choice: CorpusChoice, folder: Location, console: Console) -> tuple[Clip, ...]:
    """Find the clips of a corpus in a folder, and print their number and the omitted files.

    Raises:
        CorpusError: the folder holds no usable clip.
    """
    corpus = CORPORA[choice.name]
    scan = corpus().scan(folder)
    console.print(f"Corpus {choice.name} in {folder}: {describe_completeness(corpus, scan.clips)}")
    if scan.misnamed:
        print_clips(console, "files whose names do not fit the corpus are omitted", scan.misnamed)
    for reason, names in scan.excluded.items():
        print_clips(console, f"files are omitted: {reason}", names)
    return scan.clips


def extract_features(
    clips: Sequence[Clip],
    store: FeatureStore,
    pipeline: Pipeline,
    *,
    extractor: Extractor,
    quarantine: Quarantine | None,
    whole: bool,
    console: Console,
) -> Extraction:
    """Extract the features of all clips into the store, with progress; unusable clips are printed and reported.

    Args:
        clips: whose features are needed.
        store: of features.
        pipeline: computes the features of a clip.
        extractor: runs the pipeline, in this process or by Ray.
        quarantine: records the unusable clips; None if these were excluded before.
        whole: compare the checksums of all stored entries, because the features are going to be loaded.
        console: for messages and progress.

    Raises:
        CorpusError: too many clips are unusable.
        UserError: the store cannot be written.
    """
    started = time.monotonic()
    with show_clip_progress(console, len(clips)) as progress:
        extraction = extractor.extract(
            clips,
            store=store,
            pipeline=pipeline,
            whole=whole,
            max_unusable=quarantine.limit(len(clips)) if quarantine else 0,
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
        print_clips(console, f"clips cannot be used, all of them in {quarantine.report}", listed)
    quarantine.refuse_too_many(extraction, len(clips))
    return extraction


def prepare_corpus(
    choice: CorpusChoice,
    folder: Location,
    clips: Sequence[Clip],
    *,
    store: FeatureStore,
    pipeline: Pipeline,
    extractor: Extractor,
    max_bad: float,
    console: Console,
) -> PreparedCorpus:
    """Prepare the clips of a corpus for training: extract features, exclude unusable clips, find duplicates.

    Args:
        choice: corpus, and the selection of its clips.
        folder: its folder or URL.
        clips: all clips that were found in it.
        store: of features.
        pipeline: computes the features of a clip.
        extractor: runs the pipeline, in this process or by Ray.
        max_bad: largest share of unusable clips, in percent.
        console: for excluded clips and progress.

    Raises:
        CorpusError: more of the clips are unusable, or all of them.
        UserError: the feature store cannot be used.
    """
    quarantine = Quarantine.beside(store, choice.name, max_bad)
    extraction = extract_features(
        clips, store, pipeline, extractor=extractor, quarantine=quarantine, whole=True, console=console
    )
    facts = extraction.facts

    def find_among(some: Sequence[Clip]) -> DuplicatePairs:
        digests = [facts[clip.name].digest for clip in some]
        return find_duplicates(some, extractor.read_fingerprints(digests, store=store, pipeline=pipeline))

    selected, duplicates = select_clips(clips, facts, choice=choice, find_duplicates=find_among, console=console)
    digests = tuple(facts[clip.name].digest for clip in selected)
    return PreparedCorpus(choice, resolve_location(folder), selected, digests, duplicates, store, pipeline)


def describe_split(prepared: PreparedCorpus, parts: Partition, split: Split) -> Iterable[str]:
    """Describe the split of a sweep in one line, and in another the clips of its lists that the corpus lacks."""
    yield (
        f"Split {load_manifests()[parts.name]}, {parts.kind}, fold {parts.fold}: {len(parts.train):,} training, "
        f"{len(parts.validation):,} validation, {len(parts.test):,} test clips"
    )
    lacking = describe_missing(prepared.clips, split)
    if lacking:
        yield f"This is part of its corpus: {lacking}"


def build_pipeline(experiments: Iterable[Experiment]) -> Pipeline:
    """Build the pipeline that computes all features that these experiments store."""
    spaces = {type(experiment.features): experiment.features for experiment in experiments}
    frame, mel = spaces.get(FrameSpace, FrameSpace()), spaces.get(MelSpace, MelSpace())
    assert isinstance(frame, FrameSpace)
    assert isinstance(mel, MelSpace)
    return Pipeline(frame, mel)
