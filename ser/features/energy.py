"""Energy of a frame in decibels."""

import numpy as np

from ser.features.base import FEATURES, Rows, Spectra
from ser.settings.declaration import settings

_SMALLEST = np.float32(1e-10)


@FEATURES.register("energy")
@settings
class Energy:
    """Energy: the sum of squared amplitudes within a frame, in decibels."""

    @property
    def n_rows(self) -> int:
        """Rows per frame."""
        return 1

    def compute(self, spectra: Spectra) -> Rows:
        """10 log10(max(sum of squares, 1e-10)) of each frame, (T, 1) float32; -100 dB of silence.

        Source:
            The sum of squares as the assignment of this project defines it; decibels are our choice, because networks
            see loudness in ratios. Agreement with sums over `librosa.util.frame` is tested in tests/reference.
        """
        sums = np.vecdot(spectra.frames, spectra.frames)
        decibels: Rows = np.float32(10) * np.log10(np.maximum(sums, _SMALLEST))
        return decibels[:, None]
