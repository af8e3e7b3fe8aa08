"""Mel filter bank, divided into blocks of neighbouring bands so that a product skips most zeros."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ser.audio import SAMPLE_RATE_HZ

_HZ_PER_MEL = 200.0 / 3  # below the knee
_KNEE_HZ = 1000.0
_KNEE_MEL = _KNEE_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0  # per mel, above the knee
_BANDS_PER_BLOCK = 8


@dataclass(frozen=True)
class MelBlock:
    """Weights of neighbouring bands, (bins, bands), with the positions of both in the whole bank."""

    bins: slice
    bands: slice
    weights: NDArray[np.float32]


@lru_cache
def mel_blocks(n_fft: int, n_mels: int) -> tuple[MelBlock, ...]:
    """Filter bank of `mel_weights` in blocks, each without the bins that none of its bands uses."""
    weights = mel_weights(n_fft, n_mels)
    return tuple(
        _make_block(weights, slice(low, min(low + _BANDS_PER_BLOCK, n_mels)))
        for low in range(0, n_mels, _BANDS_PER_BLOCK)
    )


def mel_weights(n_fft: int, n_mels: int) -> NDArray[np.float32]:
    """Triangular bands of equal area from 0 Hz to half the sample rate, (n_mels, 1 + n_fft // 2).

    Source:
        Slaney, Auditory Toolbox (1998), as librosa.filters.mel with its defaults.
    """
    edges_hz = _edges_hz(n_mels)
    bins_hz = np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE_HZ)
    widths = np.diff(edges_hz)[:, None]
    ramps = edges_hz[:, None] - bins_hz
    triangles = np.maximum(0, np.minimum(-ramps[:-2] / widths[:-1], ramps[2:] / widths[1:]))
    return (triangles * (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, None]).astype(np.float32)


def band_centres_hz(n_mels: int) -> NDArray[np.float64]:
    """Centre frequency of each band in hertz, (n_mels,)."""
    return _edges_hz(n_mels)[1:-1]


def _edges_hz(n_mels: int) -> NDArray[np.float64]:
    """Edges of the bands, evenly spaced in mel; band i reaches from edge i to edge i + 2."""
    return _to_hz(np.linspace(0.0, _to_mel(SAMPLE_RATE_HZ / 2), n_mels + 2))


def _make_block(weights: NDArray[np.float32], bands: slice) -> MelBlock:
    used = np.flatnonzero(weights[bands].any(axis=0))
    # Bands narrower than a bin may use none.
    bins = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 0)
    return MelBlock(bins, bands, np.ascontiguousarray(weights[bands, bins].T))


def _to_mel(hertz: float) -> float:
    """Convert a frequency above the knee to mel."""
    return float(_KNEE_MEL + np.log(hertz / _KNEE_HZ) / _LOG_STEP)


def _to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(
        mel < _KNEE_MEL,
        mel * _HZ_PER_MEL,
        _KNEE_HZ * np.exp(_LOG_STEP * (mel - _KNEE_MEL)),
    )
