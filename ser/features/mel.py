"""Mel spectrogram as rows for the 1-D space: the bands are channels, time is the only axis."""

from typing import Annotated

from ser.features.base import FEATURES, Rows, Spectra
from ser.settings.declaration import settings
from ser.settings.ranges import Ints


@FEATURES.register("mel")
@settings
class Mel:
    """Log-scaled mel spectrogram."""

    n_mels: Annotated[int, Ints(16, 128, searched=False)] = 64

    @property
    def n_rows(self) -> int:
        """Rows per frame."""
        return self.n_mels

    def compute(self, spectra: Spectra) -> Rows:
        """Mel bands in dB relative to full scale, (T, n_mels) float32.

        Source:
            librosa.feature.melspectrogram and librosa.power_to_db with their defaults.
        """
        return spectra.log_mel(self.n_mels)
