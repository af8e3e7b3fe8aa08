"""Energy: the loudness of each frame, as its root mean square."""

import numpy as np

from ser.features.base import FEATURES, Rows, Spectra
from ser.settings.declaration import settings


@FEATURES.register("energy")
@settings
class Energy:
    """Root mean square of the samples of a frame."""

    @property
    def n_rows(self) -> int:
        """Rows per frame."""
        return 1

    def compute(self, spectra: Spectra) -> Rows:
        """The root mean square, full scale 1, (T, 1) float32.

        Source:
            librosa.feature.rms with its defaults.
        """
        squares = np.vecdot(spectra.frames, spectra.frames)
        root_mean_square: Rows = np.sqrt(squares / np.float32(spectra.framing.n_fft))
        return root_mean_square[:, None]
