"""Latency of the prediction of one clip, on the machine that makes the report."""

import statistics
import time
from pathlib import Path

import numpy as np

from ser.audio import SAMPLE_RATE_HZ
from ser.evaluation.inference import compute_as_served
from ser.experiment.bundle import Classifier, load_bundle

CLIP_S = 2.5
"""Length of the clip in seconds."""

_FEWEST_RUNS, _MOST_RUNS, _BUDGET_S = 5, 40, 0.3


def measure_latency_ms(bundle: Path) -> float:
    """Measure the median latency of one clip of noise, features included, in one thread as in the model server.

    The first two predictions are not counted.

    Args:
        bundle: folder of a trained network.

    Returns:
        Milliseconds.

    Raises:
        UserError: the bundle is incomplete or of another version.
        OSError: the bundle does not exist.
    """
    classifier = Classifier(load_bundle(bundle))
    wave = 0.1 * np.random.default_rng(0).standard_normal(round(CLIP_S * SAMPLE_RATE_HZ)).astype(np.float32)
    times_s: list[float] = []
    with compute_as_served():
        for _ in range(2):
            classifier.predict_probabilities(wave)
        while len(times_s) < _FEWEST_RUNS or (len(times_s) < _MOST_RUNS and sum(times_s) < _BUDGET_S):
            start = time.perf_counter()
            classifier.predict_probabilities(wave)
            times_s.append(time.perf_counter() - start)
    return 1000 * statistics.median(times_s)
