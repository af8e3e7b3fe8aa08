"""Zero-crossing rate: frequency of sign changes of the wave, a coarse measure of noisiness and pitch."""

import numpy as np

from ser.features.base import FEATURES, Rows, Spectra
from ser.settings.declaration import settings

_SILENCE = np.float32(1e-10)


@FEATURES.register("zero_crossing_rate")
@settings
class ZeroCrossingRate:
    """Share of the samples of a frame that differ in sign from the sample before them."""

    @property
    def n_rows(self) -> int:
        """Rows per frame."""
        return 1

    def compute(self, spectra: Spectra) -> Rows:
        """Zero-crossing rate in [0, 1], (T, 1) float32; beyond its ends the wave keeps its first and last value.

        Source:
            librosa.feature.zero_crossing_rate with its defaults.
        """
        n_fft, negative = spectra.framing.n_fft, spectra.wave < -_SILENCE
        # Cumulative, so that the crossings in a frame are the difference of two values.
        up_to = np.zeros(len(negative), np.int32)
        np.cumsum(negative[1:] != negative[:-1], dtype=np.int32, out=up_to[1:])
        first = np.arange(spectra.n_frames) * spectra.framing.hop_length - n_fft // 2
        # A crossing at the first sample of a frame does not count, because no sample of the frame is before it.
        counts = up_to[np.minimum(first + n_fft, len(negative)) - 1] - up_to[np.maximum(first, 0)]
        rate: Rows = counts[:, None].astype(np.float32) / np.float32(n_fft)
        return rate
