"""The contract of a feature: frozen settings that turn the analysed clip into rows of numbers per frame."""

from functools import cached_property
from typing import Annotated, Protocol

import numpy as np
from numpy.typing import NDArray

from ser.audio import SAMPLE_RATE_HZ, Wave
from ser.registry import Registry
from ser.space import Floats, settings

Rows = NDArray[np.float32]


@settings
class Framing:
    """How the wave is cut into overlapping frames; all features of a clip share it."""

    window_s: Annotated[float, Floats(0.016, 0.256, searched=False)] = 0.064
    hop_s: Annotated[float, Floats(0.004, 0.064, searched=False)] = 0.016

    @property
    def n_fft(self) -> int:
        """Window length in samples."""
        return round(self.window_s * SAMPLE_RATE_HZ)

    @property
    def hop_length(self) -> int:
        """Hop in samples."""
        return round(self.hop_s * SAMPLE_RATE_HZ)


class Spectra:
    """One clip and everything that several features share, each computed once."""

    def __init__(self, wave: Wave, framing: Framing) -> None:
        self.wave = wave
        self.framing = framing

    @cached_property
    def magnitude(self) -> Rows:
        """Magnitude of the short-time Fourier transform, (1 + n_fft // 2, T)."""
        raise NotImplementedError


class Feature(Protocol):
    """One of the 1-D families: settings with the numbers of rows they make."""

    @property
    def n_rows(self) -> int:
        """Rows per frame."""
        ...

    def compute(self, spectra: Spectra) -> Rows:
        """The feature of one clip, (n_rows, T) float32."""
        ...


FEATURES: Registry[type[Feature]] = Registry("feature", "ser.features")
