"""Features are those of the sound alone, and what is stored of them is all of them."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from ser.audio import Wave
from ser.features.base import Framing
from ser.features.pipeline import Pipeline
from ser.features.spaces import FrameSpace, MelSpace
from ser.settings.declaration import with_values


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


SHARING = {
    "default": Pipeline(),
    "96 bands": Pipeline(with_values(FrameSpace(), {"family.mel.n_mels": "96"}), MelSpace(n_mels=96)),
    "20 ms hop": Pipeline(FrameSpace(framing=Framing(hop_s=0.02)), MelSpace(framing=Framing(hop_s=0.02))),
}
SEPARATE = {
    "other bands": Pipeline(mel_space=MelSpace(n_mels=32)),
    "other hop": Pipeline(mel_space=MelSpace(framing=Framing(hop_s=0.02))),
    "other window": Pipeline(mel_space=MelSpace(framing=Framing(window_s=0.032))),
}


@pytest.mark.parametrize("name", [*SHARING, *SEPARATE])
def test_what_is_packed_comes_back_bit_for_bit(name: str) -> None:
    pipeline = {**SHARING, **SEPARATE}[name]
    features = pipeline.compute(np.random.default_rng(0).standard_normal(40_000).astype(np.float32))
    packed = pipeline.pack(features)
    assert list(packed) == (["1d"] if name in SHARING else ["1d", "2d"])
    unpacked = pipeline.unpack(packed)
    assert {space: rows.tobytes() for space, rows in unpacked.items()} == {
        space: rows.tobytes() for space, rows in features.items()
    }
    assert all(rows.flags.c_contiguous for rows in unpacked.values())
    assert not np.shares_memory(unpacked["1d"], unpacked["2d"])


@pytest.mark.parametrize("name", ["mel", "chroma"])
def test_columns_of_a_family_are_its_rows(name: str) -> None:
    space = FrameSpace(families=name)
    np.testing.assert_array_equal(np.arange(space.n_rows)[space.columns(name)], space.selected_rows)
