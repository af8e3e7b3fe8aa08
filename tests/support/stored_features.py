"""Comparison of stored features with features computed in this process."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ser.audio import decode
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore


def check_stored(paths: Iterable[Path], store: Path) -> None:
    """What the store holds is what this process computes, bit for bit."""
    pipeline, features = Pipeline(), FeatureStore(store)
    for path in paths:
        wave = decode(path.read_bytes())
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        entry = features.load(digest, pipeline)
        for space, rows in pipeline.compute(wave).items():
            np.testing.assert_array_equal(pipeline.unpack(entry.features)[space], rows)
