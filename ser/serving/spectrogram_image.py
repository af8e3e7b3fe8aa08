"""Plot data of a clip: envelope of the wave and log-mel spectrogram. N samples, T frames, M mel bands."""

import base64
from typing import Any

import numpy as np

from ser.audio import SAMPLE_RATE_HZ, Wave
from ser.features.base import Spectra
from ser.features.mel_scale import band_centres_hz
from ser.features.spaces import MelSpace

_MOST_COLUMNS = 1200


def compute_plot_data(wave: Wave) -> dict[str, Any]:
    """Compute what the demo page draws of a clip, as values of JSON.

    Args:
        wave: (N,) float32, 16 kHz, full scale ±1.

    Returns:
        `duration_s`; `envelope`, lowest and highest sample of each of at most 1,200 columns; and `mel`, the log-mel
        spectrogram of the 2-D space: `levels`, base64 of (T, M) bytes from 0 at `low_db` to 255 at `high_db`, with
        `n_frames`, `n_mels`, `hop_s` and `centres_hz` of the bands.
    """
    space = MelSpace()
    rows = space.compute(Spectra(wave, space.framing))
    low, high = float(rows.min()), float(rows.max())
    levels = np.round(255 * (rows - low) / max(high - low, 1.0)).astype(np.uint8)
    return {
        "duration_s": len(wave) / SAMPLE_RATE_HZ,
        "envelope": _compute_envelope(wave),
        "mel": {
            "levels": base64.b64encode(levels.tobytes()).decode(),
            "n_frames": len(rows),
            "n_mels": space.n_mels,
            "hop_s": space.framing.hop_length / SAMPLE_RATE_HZ,
            "low_db": low,
            "high_db": high,
            "centres_hz": [round(float(hertz), 1) for hertz in band_centres_hz(space.n_mels)],
        },
    }


def _compute_envelope(wave: Wave) -> list[list[float]]:
    columns = np.array_split(wave, min(_MOST_COLUMNS, len(wave)))
    return [[round(float(column.min()), 4), round(float(column.max()), 4)] for column in columns]
