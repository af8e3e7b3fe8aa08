"""Features are those of the sound alone."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from ser.audio import Wave
from ser.features.pipeline import Pipeline


@pytest.mark.parametrize("seconds", [0.5, 3, 20])
def test_features_do_not_depend_on_the_number_of_threads(seconds: float) -> None:
    wave: Wave = np.random.default_rng(1).normal(0, 0.1, int(16_000 * seconds)).astype(np.float32)
    found = []
    for n_threads in (1, 2, 4):
        with threadpool_limits(n_threads):
            found.append(Pipeline().compute(wave))
    for space in ("1d", "2d"):
        first, *others = (features[space].tobytes() for features in found)
        assert others == [first, first]
