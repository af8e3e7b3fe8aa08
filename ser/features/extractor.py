"""Extraction of features and fingerprints: the contract, and its implementation in this process."""

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
    """Contract: fill the feature store, and read from it the fingerprints of clips."""

    def extract(
        self,
        clips: Sequence[Clip],
        *,
        store: FeatureStore,
        pipeline: Pipeline,
        whole: bool,
        max_unusable: float,
        progress: Callable[[int, int], None],
    ) -> Extraction:
        """Compute and store the features of every clip that the store does not hold yet.

        Args:
            clips: clips to read.
            store: store of the features.
            pipeline: features to compute.
            whole: compare the checksum of every entry that is there, for callers that load the entries; otherwise only
                its length and its header are checked.
            max_unusable: number of clips; as soon as more of them cannot be used, no further clip is read.
            progress: called with the number of clips done, and how many of them cannot be used.

        Raises:
            UserError: the store cannot be written.
        """
        ...

    def read_fingerprints(
        self, digests: Sequence[str], *, store: FeatureStore, pipeline: Pipeline
    ) -> NDArray[np.float16]:
        """Fingerprints of clips in the store, (n, 384), by the digests of their bytes.

        Raises:
            UserError: an entry has been removed since the extraction.
        """
        ...


class LocalExtractor:
    """Extraction in this process, clip by clip: fast enough for a few thousand clips, and for tests."""

    def extract(
        self,
        clips: Sequence[Clip],
        *,
        store: FeatureStore,
        pipeline: Pipeline,
        whole: bool,
        max_unusable: float,
        progress: Callable[[int, int], None],
    ) -> Extraction:
        """Implement `Extractor.extract`."""
        store.clean()
        store.mark_used(pipeline.digest)
        extraction = Extraction({}, {}, 0)
        for first in range(0, len(clips), _CLIPS_TOGETHER):
            sounds = [Sound(clip.name, clip.location) for clip in clips[first : first + _CLIPS_TOGETHER]]
            part = extract_batch(sounds, store, pipeline, whole)
            extraction = extraction.add(part)
            progress(extraction.n_clips, len(extraction.unusable))
            if len(extraction.unusable) > max_unusable:
                break
        return extraction

    def read_fingerprints(
        self, digests: Sequence[str], *, store: FeatureStore, pipeline: Pipeline
    ) -> NDArray[np.float16]:
        """Implement `Extractor.read_fingerprints`."""
        return read_fingerprints(digests, store, pipeline)


def read_fingerprints(digests: Sequence[str], store: FeatureStore, pipeline: Pipeline) -> NDArray[np.float16]:
    """Read features from the store and compute the fingerprints of their clips, (n, 384).

    Raises:
        UserError: an entry has been removed since the extraction.
    """
    if not len(digests):
        return np.zeros((0, FINGERPRINT_SIZE), np.float16)
    return np.stack([fingerprint(store.load(digest, pipeline).features["2d"]) for digest in digests])
