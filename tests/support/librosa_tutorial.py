"""Features as tutorials compute them: each by its own librosa function, from the waveform."""

from pathlib import Path
from typing import Any

import librosa

from ser.audio import SAMPLE_RATE_HZ
from ser.features.base import Framing

FRAMING = Framing()
CUT: dict[str, Any] = {"n_fft": FRAMING.n_fft, "hop_length": FRAMING.hop_length}
SOUND: dict[str, Any] = {"sr": SAMPLE_RATE_HZ, **CUT}
FRAMES: dict[str, Any] = {"frame_length": FRAMING.n_fft, "hop_length": FRAMING.hop_length}


def tutorial(path: Path) -> None:
    """The seven features by librosa's functions, each called on the waveform."""
    wave, _ = librosa.load(path, sr=SAMPLE_RATE_HZ)
    librosa.feature.zero_crossing_rate(wave, **FRAMES)
    librosa.feature.rms(y=wave, **FRAMES)
    librosa.feature.mfcc(y=wave, n_mfcc=20, n_mels=64, **SOUND)
    librosa.feature.chroma_stft(y=wave, **SOUND)
    librosa.feature.spectral_contrast(y=wave, **SOUND)
    for _ in ("1-D", "2-D"):
        librosa.power_to_db(librosa.feature.melspectrogram(y=wave, n_mels=64, **SOUND))
