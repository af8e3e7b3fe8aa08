"""Where features are extracted and clips are compared: in this process, or elsewhere behind the same two functions."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ser.corpora.base import Clip
from ser.features.batch import Extraction, Sound, extract_batch
from ser.features.duplicates import FINGERPRINT_SIZE, fingerprint
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore

_CLIPS_TOGETHER = 64


class Extractor(Protocol):
    """Fills the feature store, and reads from it what duplicates are found by."""

    def extract(
        self,
        clips: Sequence[Clip],
        *,
        store: FeatureStore,
        pipeline: Pipeline,
        whole: bool,
        most_unusable: float,
        progress: Callable[[int, int], None],
    ) -> Extraction:
        """Make sure that the store holds the features of every clip.

        Args:
            clips: to read.
            store: of features.
            pipeline: what to compute.
            whole: compare the checksum of every entry that is there, for callers that will load them; else only that
                it has its length and a whole header.
            most_unusable: clips; as soon as more cannot be used, no further ones are read.
            progress: called with clips done, and how many of them cannot be used.

        Raises:
            UserError: the store cannot be written.
        """
        ...

    def fingerprints(self, digests: Sequence[str], *, store: FeatureStore, pipeline: Pipeline) -> NDArray[np.float16]:
        """Fingerprints of clips in the store, (n, 384), by the digests of their bytes.

        Raises:
            UserError: an entry has gone since the extraction.
        """
        ...


class LocalExtractor:
    """Extraction in this process, clip by clip: enough for a few thousand clips, and for tests."""

    def extract(
        self,
        clips: Sequence[Clip],
        *,
        store: FeatureStore,
        pipeline: Pipeline,
        whole: bool,
        most_unusable: float,
        progress: Callable[[int, int], None],
    ) -> Extraction:
        """As `Extractor` says."""
        store.clean()
        store.mark_used(pipeline.digest)
        found = Extraction({}, {}, 0)
        for first in range(0, len(clips), _CLIPS_TOGETHER):
            sounds = [Sound(clip.name, clip.location) for clip in clips[first : first + _CLIPS_TOGETHER]]
            part = extract_batch(sounds, store, pipeline, whole)
            found = found.extended(part)
            progress(found.n_clips, len(found.unusable))
            if len(found.unusable) > most_unusable:
                break
        return found

    def fingerprints(self, digests: Sequence[str], *, store: FeatureStore, pipeline: Pipeline) -> NDArray[np.float16]:
        """As `Extractor` says."""
        return fingerprints_of(digests, store, pipeline)


def fingerprints_of(digests: Sequence[str], store: FeatureStore, pipeline: Pipeline) -> NDArray[np.float16]:
    """Fingerprints of some clips in the store, (n, 384).

    Raises:
        UserError: an entry has gone since the extraction.
    """
    if not len(digests):
        return np.zeros((0, FINGERPRINT_SIZE), np.float16)
    return np.stack([fingerprint(store.load(digest, pipeline).features["2d"]) for digest in digests])
