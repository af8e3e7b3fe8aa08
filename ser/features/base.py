"""Contract of a feature: frozen settings with a function from a clip's spectra to rows of numbers per frame.

Legend: N samples, T frames, F = 1 + n_fft // 2 frequency bins, M mel bands. Arrays are time-major, one frame
after the other, because this is the order of the transform and of the store. Definitions are librosa's.
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
    """Window and hop of the overlapping frames, in seconds; the same for all features of a clip."""

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
        """Number of frames of a clip of `n_samples`; one is centred on each multiple of the hop."""
        return 1 + n_samples // self.hop_length


class Spectra:
    """Spectra of one clip that several features need, each computed once.

    Args:
        wave: mono signal at 16 kHz, (N,) float32, full scale ±1.
        framing: window and hop.
    """

    def __init__(self, wave: Wave, framing: Framing) -> None:
        self.wave = wave
        self.framing = framing
        self._mel_power: dict[int, Rows] = {}
        self._log_mel: dict[int, Rows] = {}

    @property
    def n_frames(self) -> int:
        """Number of frames, T."""
        return self.framing.n_frames(len(self.wave))

    @cached_property
    def frames(self) -> Rows:
        """Overlapping frames of the wave, zeros beyond its ends, (T, n_fft); a read-only view."""
        n_fft, hop = self.framing.n_fft, self.framing.hop_length
        padded = np.zeros(len(self.wave) + n_fft, np.float32)
        padded[n_fft // 2 : n_fft // 2 + len(self.wave)] = self.wave
        return as_strided(padded, (self.n_frames, n_fft), (hop * padded.itemsize, padded.itemsize), writeable=False)

    @cached_property
    def power(self) -> Rows:
        """Squared magnitude of the short-time Fourier transform with a Hann window, (T, F).

        The transform is in double precision, as in librosa: in single precision the quiet valleys that spectral
        contrast measures are rounding noise. Blocks are smaller than 128 kB, because from this size on the C library
        may request each array from the system again: 8 page faults per clip in a new process, 199 with blocks four
        times as large.
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
        """Mel power in dB relative to full scale, at most 80 dB below the clip's own maximum, (T, M)."""
        if n_mels not in self._log_mel:
            self._log_mel[n_mels] = power_to_db(self.mel_power(n_mels))
        return self._log_mel[n_mels]


def power_to_db(power: Rows) -> Rows:
    """Convert power to dB relative to 1; values below 1e-10, or 80 dB below the largest, are raised to that limit.

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
    """Contract of a family of the 1-D space: settings, their number of rows, and the computation."""

    @property
    def n_rows(self) -> int:
        """Rows per frame."""
        ...

    def compute(self, spectra: Spectra) -> Rows:
        """Compute the feature of one clip, (T, n_rows) float32."""
        ...


FEATURES: Registry[type[Feature]] = Registry("feature", "ser.features")
