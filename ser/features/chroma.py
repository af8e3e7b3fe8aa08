"""Chroma: power per pitch class, summed over octaves."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ser.audio import SAMPLE_RATE_HZ
from ser.features.base import FEATURES, Rows, Spectra
from ser.features.pitch_tuning import REFERENCE_HZ, estimate_tuning
from ser.settings.declaration import settings

N_CHROMA = 12

_CENTRE_OCTAVE = 5.0
_OCTAVE_WIDTH = 2.0
_SMALLEST = np.finfo(np.float32).tiny


@FEATURES.register("chroma")
@settings
class Chroma:
    """Power in the twelve pitch classes from C upwards, divided by the largest of each frame."""

    @property
    def n_rows(self) -> int:
        """Rows per frame."""
        return N_CHROMA

    def compute(self, spectra: Spectra) -> Rows:
        """Chroma in [0, 1], tuned to the clip itself, (T, 12) float32; all zeros in a silent frame.

        Source:
            Ellis, "Chroma feature analysis and synthesis" (2007), as librosa.feature.chroma_stft with its
            defaults.
        """
        raw: Rows = _make_filter_bank(spectra.framing.n_fft, estimate_tuning(spectra)) @ spectra.power.T
        largest = raw.max(axis=0)
        largest[largest < _SMALLEST] = 1
        raw /= largest
        return raw.T


# Tuning has steps of 0.01, so there are a hundred filter banks at most.
@lru_cache(maxsize=128)
def _make_filter_bank(n_fft: int, tuning: float) -> NDArray[np.float32]:
    """Filter bank of bumps at each pitch class in all octaves, fading from the fifth outwards, (12, 1 + n_fft // 2)."""
    bins = _measure_semitones(n_fft, tuning)
    widths = np.append(np.maximum(np.diff(bins), 1.0), 1.0)[:, None]
    half = N_CHROMA // 2
    distance = np.remainder(bins[:, None] - np.arange(N_CHROMA) + half, N_CHROMA) - half
    bumps = np.exp(-0.5 * (2 * distance / widths) ** 2)
    bumps /= np.sqrt(np.sum(bumps**2, axis=1, keepdims=True))
    fade = np.exp(-0.5 * ((bins / N_CHROMA - _CENTRE_OCTAVE) / _OCTAVE_WIDTH) ** 2)
    from_a = bumps * fade[:, None]
    return np.ascontiguousarray(np.roll(from_a, -3, axis=1)[: 1 + n_fft // 2].T, dtype=np.float32)


def _measure_semitones(n_fft: int, tuning: float) -> NDArray[np.float64]:
    """Semitones of each of `n_fft` bins above the lowest A; 0 Hz counts as 1.5 octaves below the next bin."""
    lowest_a_hz = REFERENCE_HZ / 16 * 2.0 ** (tuning / N_CHROMA)
    hertz = np.arange(1, n_fft) * SAMPLE_RATE_HZ / n_fft
    above = N_CHROMA * np.log2(hertz / lowest_a_hz)
    return np.concatenate([[above[0] - 1.5 * N_CHROMA], above])
