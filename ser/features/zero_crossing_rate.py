"""Zero-crossing rate: how often the wave changes its sign, a coarse measure of noisiness and pitch."""

import numpy as np

from ser.features.base import FEATURES, Rows, Spectra
from ser.settings.declaration import settings

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
        n_fft, negative = spectra.framing.n_fft, spectra.wave < -_SILENCE
        # Crossings up to each sample; those of a frame are the difference of two.
        up_to = np.zeros(len(negative), np.int32)
        np.cumsum(negative[1:] != negative[:-1], dtype=np.int32, out=up_to[1:])
        first = np.arange(spectra.n_frames) * spectra.framing.hop_length - n_fft // 2
        # The first sample of a frame has none before it, so a crossing there does not count.
        counts = up_to[np.minimum(first + n_fft, len(negative)) - 1] - up_to[np.maximum(first, 0)]
        rate: Rows = counts[:, None].astype(np.float32) / np.float32(n_fft)
        return rate
