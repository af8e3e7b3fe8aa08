"""From a corpus folder to clips, features and parts: find, extract, exclude what is faulty, split.

Every command prepares a corpus by this one way; only where features are extracted differs (`Extractor`).
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
    """Clips that can be used, with their features in the store; clips and digests are in one order.

    Attributes:
        choice: corpus and how it is used.
        folder: its folder or URL, absolute.
        clips: those that are left.
        digests: digests of their bytes.
        duplicates: names of every two of them that are one recording.
        store: holds their features.
        pipeline: that made the features.
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
        """The classes, in the order of their labels."""
        return CORPORA[self.choice.name].emotions

    @property
    def digest(self) -> str:
        """Digest of all clips' names and bytes."""
        return clips_digest(self.clips, self.digests)

    def partition(self, split: Split) -> Partition:
        """The clips in the parts of a split, through the leak gate.

        Raises:
            UserError: the split does not fit the clips, or leaks.
        """
        digests = {clip.name: digest for clip, digest in zip(self.clips, self.digests, strict=True)}
        return partition(self.clips, split, digests=digests, duplicates=self.duplicates)


def clips_digest(clips: Sequence[Clip], digests: Sequence[str]) -> str:
    """Digest of clips' names and bytes.

    Args:
        clips: in their order.
        digests: digests of their files, in the same order.
    """
    content = "".join(f"{c.name} {d}\n" for c, d in zip(clips, digests, strict=True))
    return hashlib.sha256(content.encode()).hexdigest()


def find_clips(choice: CorpusChoice, folder: Location, console: Console) -> tuple[Clip, ...]:
    """The clips of a corpus in `folder`; what was found is printed.

    Raises:
        CorpusError: nothing usable there.
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
    """Features of all clips into the store, with progress; clips that cannot be used are printed and reported.

    Args:
        clips: to read.
        store: of features.
        pipeline: what to compute.
        extractor: where to compute.
        quarantine: for the clips that cannot be used; None where they are known, and excluded already.
        whole: compare the checksums of all entries that are there: the features are going to be loaded.
        console: where to print.

    Raises:
        CorpusError: too many clips cannot be used.
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
    """Everything between the clips and the first training.

    Args:
        choice: corpus and how it is used.
        folder: its folder or URL.
        clips: as they were found in it.
        store: of features.
        pipeline: what to compute of each clip.
        extractor: where to compute.
        max_bad: percent of the clips that may be unusable.
        console: where to print what is excluded, and progress.

    Raises:
        CorpusError: more of the clips cannot be used, or all of them.
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
    """The split of a sweep in a line, and in another one what its lists name and the corpus lacks."""
    yield (
        f"Split {load_manifests()[parts.name]}, {parts.kind}, fold {parts.fold}: {len(parts.train):,} training, "
        f"{len(parts.validation):,} validation, {len(parts.test):,} test clips"
    )
    lacking = describe_missing(prepared.clips, split)
    if lacking:
        yield f"This is part of its corpus: {lacking}"


def pipeline_of(experiments: Iterable[Experiment]) -> Pipeline:
    """The pipeline that computes what these experiments store of every clip."""
    spaces = {type(experiment.features): experiment.features for experiment in experiments}
    frame, mel = spaces.get(FrameSpace, FrameSpace()), spaces.get(MelSpace, MelSpace())
    assert isinstance(frame, FrameSpace)
    assert isinstance(mel, MelSpace)
    return Pipeline(frame, mel)
