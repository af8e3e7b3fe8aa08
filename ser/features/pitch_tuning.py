"""Tuning of a clip: deviation of its pitches from equal temperament at 440 Hz."""

import numpy as np

from ser.audio import SAMPLE_RATE_HZ
from ser.features.base import Rows, Spectra

REFERENCE_HZ = 440.0

_LOW_HZ, _HIGH_HZ = 150.0, 4000.0
_THRESHOLD = np.float32(0.1)
_N_SEMITONES = 12
_N_STEPS = 100


def estimate_tuning(spectra: Spectra) -> float:
    """Most frequent deviation of a clip's pitches from the nearest semitone, in [-0.5, 0.5), in steps of 0.01.

    Peaks of the power spectrum are interpolated by a parabola, and the stronger half of them is counted. The tuning of
    a clip without peaks is 0.

    Source:
        librosa.estimate_tuning, as chroma_stft calls it: on power, not magnitude. Only the loud peaks are
        interpolated here. Types are librosa's, so that each pitch is counted in the same step.
    """
    pitch_hz, strength = _find_peaks(spectra.power, spectra.framing.n_fft)
    if not len(pitch_hz):
        return 0.0
    return _find_commonest_residual(pitch_hz[strength >= np.median(strength)])


def _find_peaks(power: Rows, n_fft: int) -> tuple[Rows, Rows]:
    """Find the local maxima that exceed a tenth of their frame's maximum: frequency in hertz, and height."""
    hertz = np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE_HZ)
    low, high = np.searchsorted(hertz, [_LOW_HZ, _HIGH_HZ])
    loud = power[:, low:high] > _THRESHOLD * power.max(axis=1, keepdims=True)
    rises = power[:, low : high + 1] > power[:, low - 1 : high]
    # On a flat array, because np.nonzero is four times slower in two dimensions.
    frame, offset = np.divmod(np.flatnonzero(loud & (rises[:, :-1] > rises[:, 1:])), high - low)
    bins = low + offset
    flat, at = power.ravel(), frame * power.shape[1] + bins
    shift, height = _interpolate_peaks(flat[at - 1], flat[at], flat[at + 1])
    return ((bins + shift) * float(SAMPLE_RATE_HZ) / n_fft).astype(np.float32), height


def _interpolate_peaks(before: Rows, peak: Rows, after: Rows) -> tuple[Rows, Rows]:
    """Interpolate each peak by the parabola through it and its neighbours: distance in bins, and height."""
    curvature, slope = after + before - 2 * peak, (after - before) / np.float32(2)
    shift = np.zeros_like(peak)
    np.divide(-slope, curvature, out=shift, where=np.abs(slope) < np.abs(curvature))
    return shift, peak + np.float32(0.5) * slope * shift


def _find_commonest_residual(pitch_hz: Rows) -> float:
    residual = np.mod(_N_SEMITONES * np.log2(pitch_hz / (REFERENCE_HZ / 16)), 1.0)
    residual -= residual >= 0.5
    edges = np.linspace(-0.5, 0.5, _N_STEPS + 1)
    counts = np.diff(np.searchsorted(np.sort(residual), edges))
    return float(edges[np.argmax(counts)])
