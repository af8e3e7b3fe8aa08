"""Zero-crossing rate: how often the wave changes its sign, a coarse measure of noisiness and pitch."""

import numpy as np

from ser.features.base import FEATURES, Rows, Spectra
from ser.space import settings

_SILENCE = np.float32(1e-10)


@FEATURES.register("zero_crossing_rate")
@settings
class ZeroCrossingRate:
    """Share of the samples of a frame that differ in sign from the sample before."""

    @property
    def n_rows(self) -> int:
        """Rows per frame."""
        return 1

    def compute(self, spectra: Spectra) -> Rows:
        """The rate in [0, 1], (T, 1) float32; beyond its ends the wave keeps its outermost values.

        Source:
            librosa.feature.zero_crossing_rate with its defaults.
        """
        framing, negative = spectra.framing, spectra.wave < -_SILENCE
        crossings = np.zeros(len(negative), np.int32)
        np.cumsum(negative[1:] != negative[:-1], out=crossings[1:])
        first = np.arange(spectra.n_frames) * framing.hop_length - framing.n_fft // 2
        ends = np.clip([first, first + framing.n_fft - 1], 0, len(negative) - 1)
        # The first sample of a frame has none before it, so its own crossing is not counted.
        counts = crossings[ends[1]] - crossings[ends[0]]
        return (counts[:, None] / framing.n_fft).astype(np.float32)
