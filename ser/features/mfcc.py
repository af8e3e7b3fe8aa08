"""Mel-frequency cepstral coefficients: the smooth shape of the spectrum in a few numbers."""

from functools import lru_cache
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from ser.features.base import FEATURES, Rows, Spectra
from ser.settings.declaration import settings
from ser.settings.ranges import Ints, SettingError


@FEATURES.register("mfcc")
@settings
class Mfcc:
    """First coefficients of the cosine transform of the log-mel spectrum."""

    n_mfcc: Annotated[int, Ints(1, 64, searched=False)] = 20
    n_mels: Annotated[int, Ints(16, 128, searched=False)] = 64

    def __post_init__(self) -> None:
        if self.n_mfcc > self.n_mels:
            raise SettingError(f"n_mfcc must not exceed n_mels ({self.n_mels}), got {self.n_mfcc}")

    @property
    def n_rows(self) -> int:
        """Rows per frame."""
        return self.n_mfcc

    def compute(self, spectra: Spectra) -> Rows:
        """MFCC, (T, n_mfcc) float32.

        Source:
            Davis and Mermelstein, IEEE TASSP 28(4), 1980, as librosa.feature.mfcc with its defaults.
        """
        coefficients: Rows = spectra.log_mel(self.n_mels) @ _cosines(self.n_mels, self.n_mfcc)
        return coefficients


@lru_cache
def _cosines(n_mels: int, n_mfcc: int) -> NDArray[np.float32]:
    """Orthonormal cosine transform of the second kind, (n_mels, n_mfcc)."""
    band = np.arange(n_mels)[:, None] + 0.5
    cosines: NDArray[np.float64] = np.sqrt(2.0 / n_mels) * np.cos(np.pi / n_mels * band * np.arange(n_mfcc))
    cosines[:, 0] /= np.sqrt(2.0)
    return cosines.astype(np.float32)
