"""The contract of a feature: frozen settings that turn the analysed clip into rows of numbers per frame.

Legend: N samples, T frames, F = 1 + n_fft // 2 frequency bins, M mel bands. Arrays are time-major, one frame
after the other, because that is how the transform makes them and how the store keeps them. Definitions are
librosa's.
"""

from functools import cached_property, lru_cache
from typing import Annotated, Protocol

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ser.audio import SAMPLE_RATE_HZ, Wave
from ser.features.mel_scale import mel_blocks
from ser.settings.declaration import settings
from ser.settings.ranges import Floats
from ser.settings.registry import Registry

Rows = NDArray[np.float32]

_SMALLEST_POWER = np.float32(1e-10)
_DYNAMIC_RANGE_DB = np.float32(80.0)
_BLOCK_BYTES = 120_000


@settings
class Framing:
    """How the wave is cut into overlapping frames; all features of a clip share it."""

    window_s: Annotated[float, Floats(0.016, 0.256, searched=False)] = 0.064
    hop_s: Annotated[float, Floats(0.004, 0.064, searched=False)] = 0.016

    @property
    def n_fft(self) -> int:
        """Window length in samples; even, so that a frame has a middle."""
        return 2 * round(self.window_s * SAMPLE_RATE_HZ / 2)

    @property
    def hop_length(self) -> int:
        """Hop in samples."""
        return round(self.hop_s * SAMPLE_RATE_HZ)

    def n_frames(self, n_samples: int) -> int:
        """Frames of a clip of `n_samples`: one is centred on each multiple of the hop."""
        return 1 + n_samples // self.hop_length


class Spectra:
    """One clip, (N,) float32, and everything that several features share, each computed once."""

    def __init__(self, wave: Wave, framing: Framing) -> None:
        self.wave = wave
        self.framing = framing
        self._mel_power: dict[int, Rows] = {}
        self._log_mel: dict[int, Rows] = {}

    @property
    def n_frames(self) -> int:
        """T."""
        return self.framing.n_frames(len(self.wave))

    @cached_property
    def frames(self) -> Rows:
        """The wave cut into overlapping frames, zeros beyond its ends, (T, n_fft); a read-only view."""
        n_fft, hop = self.framing.n_fft, self.framing.hop_length
        padded = np.zeros(len(self.wave) + n_fft, np.float32)
        padded[n_fft // 2 : n_fft // 2 + len(self.wave)] = self.wave
        return as_strided(padded, (self.n_frames, n_fft), (hop * padded.itemsize, padded.itemsize), writeable=False)

    @cached_property
    def power(self) -> Rows:
        """Squared magnitude of the short-time Fourier transform with a Hann window, (T, F).

        Transformed in double precision, as librosa does: in single precision the quiet valleys that spectral
        contrast measures are rounding noise. In blocks below 128 kB, from where on the C library may fetch each
        array anew from the system: 8 page faults a clip in a fresh process, 199 in blocks four times as large.
        """
        frames, window = self.frames, _hann(self.framing.n_fft)
        power = np.empty((len(frames), 1 + self.framing.n_fft // 2), np.float32)
        n_together = max(1, _BLOCK_BYTES // window.nbytes)
        for start in range(0, len(frames), n_together):
            block = slice(start, start + n_together)
            np.abs(np.fft.rfft(frames[block] * window).astype(np.complex64), out=power[block])
            np.square(power[block], out=power[block])
        return power

    def mel_power(self, n_mels: int) -> Rows:
        """Power in triangular bands, evenly spaced in mel from 0 Hz to half the sample rate, (T, M)."""
        if n_mels not in self._mel_power:
            bands = np.empty((len(self.power), n_mels), np.float32)
            for block in mel_blocks(self.framing.n_fft, n_mels):
                np.matmul(self.power[:, block.bins], block.weights, out=bands[:, block.bands])
            self._mel_power[n_mels] = bands
        return self._mel_power[n_mels]

    def log_mel(self, n_mels: int) -> Rows:
        """`mel_power` in dB relative to full scale, at most 80 dB below the clip's own maximum, (T, M)."""
        if n_mels not in self._log_mel:
            self._log_mel[n_mels] = power_to_db(self.mel_power(n_mels))
        return self._log_mel[n_mels]


def power_to_db(power: Rows) -> Rows:
    """Decibels of `power`, relative to 1, not below 1e-10 and not more than 80 dB below the largest.

    Source:
        librosa.power_to_db with its defaults.
    """
    decibels: Rows = np.float32(10) * np.log10(np.maximum(power, _SMALLEST_POWER))
    return decibels.clip(min=decibels.max() - _DYNAMIC_RANGE_DB)


@lru_cache
def _hann(n_fft: int) -> NDArray[np.float64]:
    """Periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)


class Feature(Protocol):
    """One of the 1-D families: settings with the numbers of rows they make."""

    @property
    def n_rows(self) -> int:
        """Rows per frame."""
        ...

    def compute(self, spectra: Spectra) -> Rows:
        """The feature of one clip, (T, n_rows) float32."""
        ...


FEATURES: Registry[type[Feature]] = Registry("feature", "ser.features")
