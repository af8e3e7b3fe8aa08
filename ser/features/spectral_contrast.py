"""Spectral contrast: level difference between peaks and valleys of the spectrum in each octave."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ser.audio import SAMPLE_RATE_HZ
from ser.features.base import FEATURES, Rows, Spectra, power_to_db
from ser.settings.declaration import settings

_N_OCTAVES = 6
_LOWEST_HZ = 200.0
_QUANTILE = 0.02


@dataclass(frozen=True)
class _Band:
    """Bins of one octave, and the number of them that are averaged for its peak and for its valley."""

    bins: slice
    n_extreme: int


@FEATURES.register("spectral_contrast")
@settings
class SpectralContrast:
    """Peak minus valley in the band below 200 Hz and in the six octaves above it."""

    @property
    def n_rows(self) -> int:
        """Rows per frame."""
        return 1 + _N_OCTAVES

    def compute(self, spectra: Spectra) -> Rows:
        """Spectral contrast in dB, (T, 7) float32.

        Source:
            Jiang et al., "Music type classification by spectral contrast feature", ICME 2002, as
            librosa.feature.spectral_contrast with its defaults.
        """
        valleys, peaks = measure_valleys_and_peaks(spectra)
        return (power_to_db(peaks) - power_to_db(valleys)).T


def measure_valleys_and_peaks(spectra: Spectra) -> tuple[Rows, Rows]:
    """Mean of the smallest and of the largest magnitudes (2 % of each) in every band, both (7, T)."""
    bands = _make_bands(spectra.framing.n_fft)
    valleys = np.empty((len(bands), spectra.n_frames), np.float32)
    peaks = np.empty_like(valleys)
    for band, valley, peak in zip(bands, valleys, peaks, strict=True):
        power, n = spectra.power[:, band.bins], band.n_extreme
        if n > 1:
            # np.sort is vectorised, and faster than np.partition for so few numbers.
            power = np.sort(power, axis=1)
            valley[:] = np.sqrt(power[:, :n].T, order="C").sum(axis=0) / n
            peak[:] = np.sqrt(power[:, -n:].T, order="C").sum(axis=0) / n
        else:
            # Time as the last axis, because minimum and maximum of many short rows are twice as slow.
            power = np.ascontiguousarray(power.T)
            np.sqrt(power.min(axis=0), out=valley)
            np.sqrt(power.max(axis=0), out=peak)
    return valleys, peaks


@lru_cache
def _make_bands(n_fft: int) -> tuple[_Band, ...]:
    """Bands as in librosa: one more bin at the lower end, and, except for the last band, one less at the upper end."""
    bins_hz = np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE_HZ)
    edges_hz = np.concatenate([[0.0], _LOWEST_HZ * 2.0 ** np.arange(_N_OCTAVES + 1)])
    return tuple(_make_band(bins_hz, edges_hz, k) for k in range(_N_OCTAVES + 1))


def _make_band(bins_hz: NDArray[np.floating], edges_hz: NDArray[np.floating], k: int) -> _Band:
    inside = np.flatnonzero((bins_hz >= edges_hz[k]) & (bins_hz <= edges_hz[k + 1]))
    last = k == _N_OCTAVES
    start = int(inside[0]) - (k > 0)
    stop = len(bins_hz) if last else int(inside[-1]) + 1
    n_extreme = max(1, int(np.rint(_QUANTILE * (stop - start))))
    return _Band(slice(start, stop if last else stop - 1), n_extreme)
