"""How long one clip takes from sound to answer, on the machine that makes the report."""

import statistics
import time
from pathlib import Path

import numpy as np

from ser.audio import SAMPLE_RATE_HZ
from ser.evaluation.inference import compute_as_served
from ser.experiment.bundle import Classifier, load_bundle

CLIP_S = 2.5
_LEAST, _MOST, _BUDGET_S = 5, 40, 0.3


def latency_ms(bundle: Path) -> float:
    """Median time of one clip of noise in one thread, as the model server answers, features included, in milliseconds.

    The first two answers do not count.

    Args:
        bundle: folder of a trained network.

    Raises:
        UserError: it lacks something.
        OSError: it is gone.
    """
    classifier = Classifier(load_bundle(bundle))
    wave = 0.1 * np.random.default_rng(0).standard_normal(round(CLIP_S * SAMPLE_RATE_HZ)).astype(np.float32)
    times_s: list[float] = []
    with compute_as_served():
        for _ in range(2):
            classifier.predict_probabilities(wave)
        while len(times_s) < _LEAST or (len(times_s) < _MOST and sum(times_s) < _BUDGET_S):
            start = time.perf_counter()
            classifier.predict_probabilities(wave)
            times_s.append(time.perf_counter() - start)
    return 1000 * statistics.median(times_s)
