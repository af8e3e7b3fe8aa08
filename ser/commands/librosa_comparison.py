"""Comparison of stored features with librosa's own functions, called one by one on the waveform.

librosa is imported here and nowhere else: for trust that a user can check on a corpus of their own, not for speed.
"""

from collections.abc import Callable, Mapping
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray

from ser.audio import SAMPLE_RATE_HZ, Wave
from ser.features.base import Framing, Rows
from ser.features.pipeline import Pipeline

PICTURE = "mel, 2-D"

# Contrast is a difference of levels. Where peak and valley are alike (a click, silence) it is rounding noise around
# 0 dB, and 1 dB is the least scale that means anything.
_LEAST_SCALE = {"spectral_contrast": 1.0}


def _cut(framing: Framing) -> dict[str, Any]:
    return {"n_fft": framing.n_fft, "hop_length": framing.hop_length}


def _sound(framing: Framing) -> dict[str, Any]:
    return {"sr": SAMPLE_RATE_HZ, **_cut(framing)}


def _frames(framing: Framing) -> dict[str, Any]:
    return {"frame_length": framing.n_fft, "hop_length": framing.hop_length}


def _energy(wave: Wave, framing: Framing) -> NDArray[np.float32]:
    padded = np.pad(wave, framing.n_fft // 2)
    sums = np.square(librosa.util.frame(padded, **_frames(framing))).sum(axis=0, keepdims=True)
    decibels: NDArray[np.float32] = 10 * np.log10(np.maximum(sums, 1e-10))
    return decibels


def _mel(wave: Wave, framing: Framing) -> NDArray[np.float32]:
    power = librosa.feature.melspectrogram(y=wave, n_mels=64, **_sound(framing))
    decibels: NDArray[np.float32] = librosa.power_to_db(power)
    return decibels


REFERENCES: Mapping[str, Callable[[Wave, Framing], NDArray[np.float32]]] = {
    "zero_crossing_rate": lambda wave, framing: librosa.feature.zero_crossing_rate(wave, **_frames(framing)),
    "energy": _energy,
    "mfcc": lambda wave, framing: librosa.feature.mfcc(y=wave, n_mfcc=20, n_mels=64, **_sound(framing)),
    "chroma": lambda wave, framing: librosa.feature.chroma_stft(y=wave, **_sound(framing)),
    "spectral_contrast": lambda wave, framing: librosa.feature.spectral_contrast(y=wave, **_sound(framing)),
    "mel": _mel,
}
"""Each feature with its default settings as librosa computes it, (rows, T)."""


def compare_with_librosa(wave: Wave, stored: Mapping[str, Rows], pipeline: Pipeline) -> dict[str, float]:
    """Largest deviation of each feature of a clip from librosa's, as a share of the feature's largest value in it.

    Args:
        wave: the clip, (N,) float32, mono at 16 kHz.
        stored: its features as `pipeline` computes them, by space.
        pipeline: with the default settings of every feature; its framing may be another.
    """
    framing, layout = pipeline.frame_space.framing, pipeline.frame_space.layout
    ours = dict(zip(layout, np.split(stored["1d"], np.cumsum(list(layout.values()))[:-1], axis=1), strict=True))
    theirs = {name: function(wave, framing).T for name, function in REFERENCES.items()}
    found = {name: _deviation(name, ours[name], theirs[name]) for name in REFERENCES}
    return {**found, PICTURE: _deviation("mel", stored["2d"], theirs["mel"])}


def _deviation(name: str, ours: Rows, theirs: NDArray[np.float32]) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    scale = max(float(np.abs(theirs).max()), _LEAST_SCALE.get(name, float(np.finfo(np.float32).tiny)))
    return float(np.abs(ours - theirs).max() / scale)
