"""Extraction of a batch of clips into the feature store."""

import multiprocessing
import time
from pathlib import Path

import numpy as np

from ser.audio import digest_of
from ser.features.batch import Sound, extract_batch
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore


def _extract(store: FeatureStore, sounds: list[Sound]) -> None:
    extract_batch(sounds, store, Pipeline(), whole=False)


def test_two_extractions_killed_at_any_moment_leave_nothing_wrong(tmp_path: Path, synthetic_dir: Path) -> None:
    store = FeatureStore(tmp_path / "store")
    paths = sorted((synthetic_dir / "AudioWAV").iterdir())
    sounds = [Sound(path.stem, str(path)) for path in paths]
    spawn, rng = multiprocessing.get_context("spawn"), np.random.default_rng(0)
    for _ in range(3):
        pair = [spawn.Process(target=_extract, args=(store, some)) for some in (sounds, sounds[::-1])]
        for one in pair:
            one.start()
        n_before = len(list(store.keys()))
        while any(one.is_alive() for one in pair) and len(list(store.keys())) == n_before:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.05))
        for one in pair:
            one.kill()
            one.join()
        keys = list(store.keys())
        assert all(store.read(key) is not None for key in keys)
    n_different = len({digest_of(path.read_bytes()) for path in paths})
    assert extract_batch(sounds, store, Pipeline(), whole=True).n_computed == n_different - len(keys)
    assert extract_batch(sounds, store, Pipeline(), whole=True).n_computed == 0
