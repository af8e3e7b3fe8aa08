"""Our features against librosa's own functions, called one by one on the waveform as tutorials do."""

from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import pytest
from numpy.typing import NDArray

from ser.audio import SAMPLE_RATE_HZ, Wave, decode
from ser.features.base import FEATURES, Framing, Spectra
from ser.features.mel_scale import mel_weights
from ser.features.tuning import estimate_tuning

pytestmark = [
    pytest.mark.filterwarnings("ignore:n_fft=1024 is too large for input signal:UserWarning"),
    pytest.mark.filterwarnings("ignore:Trying to estimate tuning from empty frequency set:UserWarning"),
]

FRAMING = Framing()
CUT = {"n_fft": FRAMING.n_fft, "hop_length": FRAMING.hop_length}
SOUND = {"sr": SAMPLE_RATE_HZ, **CUT}
FRAMES = {"frame_length": FRAMING.n_fft, "hop_length": FRAMING.hop_length}
TOLERANCE = 1e-4


def librosa_mel(wave: Wave) -> NDArray[np.float32]:
    return librosa.power_to_db(librosa.feature.melspectrogram(y=wave, n_mels=64, **SOUND))


LIBROSA: dict[str, Callable[[Wave], NDArray[np.float32]]] = {
    "zero_crossing_rate": lambda wave: librosa.feature.zero_crossing_rate(wave, **FRAMES),
    "energy": lambda wave: librosa.feature.rms(y=wave, **FRAMES),
    "mfcc": lambda wave: librosa.feature.mfcc(y=wave, n_mfcc=20, n_mels=64, **SOUND),
    "chroma": lambda wave: librosa.feature.chroma_stft(y=wave, **SOUND),
    "spectral_contrast": lambda wave: librosa.feature.spectral_contrast(y=wave, **SOUND),
    "mel": librosa_mel,
}


def noise(seconds: float, seed: int = 0) -> Wave:
    n_samples = round(seconds * SAMPLE_RATE_HZ)
    return np.random.default_rng(seed).uniform(-1, 1, n_samples).astype(np.float32)


def click() -> Wave:
    wave = np.zeros(8000, np.float32)
    wave[4000] = 1
    return wave


MADE: dict[str, Wave] = {
    "silence": np.zeros(SAMPLE_RATE_HZ, np.float32),
    "click": click(),
    "one_sample": np.full(1, 0.5, np.float32),
    "shorter_than_a_window": noise(0.02),
    "0.3_s": 0.1 * noise(0.3),
    "20_s": noise(20) * np.sin(np.linspace(0, 60, 20 * SAMPLE_RATE_HZ, dtype=np.float32)),
    "full_scale_noise": noise(1),
    "full_scale_square": np.sign(np.sin(np.arange(16000, dtype=np.float32) * 0.3)),
    "loud_then_silent": np.concatenate([noise(1), np.zeros(16000, np.float32)]),
}


@pytest.fixture(scope="module")
def real_clips(shared_dir: Path) -> dict[str, Wave]:
    paths = sorted((shared_dir / "cremad" / "AudioFLAC").glob("*.flac"))
    # The silent clip is known to be in the shared part; it is the hardest case that is real.
    silent = [path for path in paths if path.stem == "1076_MTI_SAD_XX"]
    return {path.stem: decode(path.read_bytes()) for path in [*paths[:: max(1, len(paths) // 40)], *silent]}


def check(name: str, wave: Wave) -> None:
    ours = FEATURES[name]().compute(Spectra(wave, FRAMING))
    theirs = LIBROSA[name](wave).T
    assert ours.shape == theirs.shape
    assert np.isfinite(theirs).all()
    # Contrast is a difference of levels. Where peak and valley are alike (a click, silence) it is rounding
    # noise around 0 dB, and 1 dB is the least scale that means anything.
    scale = max(np.abs(theirs).max(), 1.0 if name == "spectral_contrast" else 0.0)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE * scale)


def test_each_registered_feature_has_a_reference() -> None:
    assert set(FEATURES) == set(LIBROSA)


@pytest.mark.parametrize("name", LIBROSA)
def test_real_clips_agree_with_librosa(name: str, real_clips: dict[str, Wave]) -> None:
    assert len(real_clips) >= 40
    for wave in real_clips.values():
        check(name, wave)


@pytest.mark.parametrize("sound", MADE)
@pytest.mark.parametrize("name", LIBROSA)
def test_made_sounds_agree_with_librosa(name: str, sound: str) -> None:
    check(name, MADE[sound])


def test_transform_is_librosas_at_other_framings(real_clips: dict[str, Wave]) -> None:
    wave = next(iter(real_clips.values()))
    for framing in (Framing(window_s=0.025, hop_s=0.010), Framing(window_s=0.032, hop_s=0.008)):
        ours = Spectra(wave, framing).magnitude
        theirs = np.abs(librosa.stft(wave, n_fft=framing.n_fft, hop_length=framing.hop_length)).T
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6 * theirs.max())


def test_tuning_is_librosas_step_for_step(real_clips: dict[str, Wave]) -> None:
    for wave in real_clips.values():
        power = np.abs(librosa.stft(wave, **CUT)) ** 2
        assert estimate_tuning(Spectra(wave, FRAMING)) == pytest.approx(
            librosa.estimate_tuning(S=power, sr=SAMPLE_RATE_HZ), abs=1e-9
        )


@pytest.mark.parametrize(("n_fft", "n_mels"), [(1024, 64), (1024, 16), (512, 40), (2048, 128)])
def test_mel_bands_are_librosas(n_fft: int, n_mels: int) -> None:
    theirs = librosa.filters.mel(sr=SAMPLE_RATE_HZ, n_fft=n_fft, n_mels=n_mels)
    np.testing.assert_allclose(mel_weights(n_fft, n_mels), theirs, rtol=1e-5, atol=1e-9)


def test_tuning_of_detuned_tones_is_found() -> None:
    seconds = np.arange(2 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    for cents in (-30, 0, 20):
        tones = [np.sin(2 * np.pi * 440 * 2 ** (semitone / 12 + cents / 1200) * seconds) for semitone in (0, 4, 7)]
        wave = np.sum(tones, axis=0).astype(np.float32) / 3
        assert estimate_tuning(Spectra(wave, FRAMING)) == pytest.approx(cents / 100, abs=0.05)
