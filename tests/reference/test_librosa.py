"""Our features against librosa's own functions, called one by one on the waveform as tutorials do.

    python -m pytest tests/reference/test_librosa.py -k real -s

prints the worst difference of each feature over 200 real clips.
"""

from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile

from ser.audio import SAMPLE_RATE_HZ, Wave, decode
from ser.commands.librosa_comparison import REFERENCES, compare_with_librosa
from ser.features.base import FEATURES, Framing, Spectra
from ser.features.mel_scale import mel_weights
from ser.features.pipeline import Pipeline
from ser.features.pitch_tuning import estimate_tuning
from ser.features.spaces import FrameSpace, MelSpace

pytestmark = [
    pytest.mark.filterwarnings("ignore:n_fft=1024 is too large for input signal:UserWarning"),
    pytest.mark.filterwarnings("ignore:Trying to estimate tuning from empty frequency set:UserWarning"),
]

FRAMING = Framing()
TOLERANCE = 1e-4
N_REAL = 200


def noise(seconds: float, seed: int = 0) -> Wave:
    n_samples = round(seconds * SAMPLE_RATE_HZ)
    return np.random.default_rng(seed).uniform(-1, 1, n_samples).astype(np.float32)


def click() -> Wave:
    wave = np.zeros(8000, np.float32)
    wave[4000] = 1
    return wave


def tone(hertz: float, seconds: float = 2.0) -> Wave:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ).astype(np.float32)


MADE: dict[str, Wave] = {
    "silence": np.zeros(SAMPLE_RATE_HZ, np.float32),
    "click": click(),
    "one_sample": np.full(1, 0.5, np.float32),
    "shorter_than_a_window": noise(0.02),
    "one_hop": noise(256 / SAMPLE_RATE_HZ),
    "a_sample_less_than_a_window": noise(1023 / SAMPLE_RATE_HZ),
    "0.3_s": 0.1 * noise(0.3),
    "60_s": noise(60) * np.sin(np.linspace(0, 180, 60 * SAMPLE_RATE_HZ, dtype=np.float32)),
    "full_scale_noise": noise(1),
    "full_scale_square": np.sign(tone(764)),
    "constant": np.full(SAMPLE_RATE_HZ, 0.25, np.float32),
    "tone_27_cents_high": 0.5 * tone(440 * 2 ** (0.27 / 12)),
    "tone_at_the_edge_of_tuning": 0.5 * tone(440 * 2 ** (0.5 / 12)),
    "faint_noise": np.float32(1e-5) * noise(1),
    "loud_then_silent": np.concatenate([noise(1), np.zeros(16000, np.float32)]),
}


@pytest.fixture(scope="module")
def real_clips(shared_dir: Path) -> dict[str, Wave]:
    """Evenly spaced in the order of length, from the shortest to the longest."""
    folder = shared_dir / "cremad" / "AudioFLAC"
    by_length = sorted(folder.glob("*.flac"), key=lambda path: (soundfile.info(path).frames, path.name))
    places = np.linspace(0, len(by_length) - 1, N_REAL).round().astype(int)
    return {by_length[place].stem: decode(by_length[place].read_bytes()) for place in places}


def differences(wave: Wave, framing: Framing = FRAMING) -> dict[str, float]:
    """Largest difference of each feature from librosa's, as a share of the feature's scale in this clip."""
    pipeline = Pipeline(FrameSpace(framing=framing), MelSpace(framing=framing))
    return compare_with_librosa(wave, pipeline.compute(wave), pipeline)


def tuning_difference(wave: Wave) -> float:
    """In semitones, from what librosa.feature.chroma_stft estimates within."""
    power = np.abs(librosa.stft(wave, n_fft=FRAMING.n_fft, hop_length=FRAMING.hop_length)) ** 2
    return abs(estimate_tuning(Spectra(wave, FRAMING)) - librosa.estimate_tuning(S=power, sr=SAMPLE_RATE_HZ))


def test_each_registered_feature_has_a_reference() -> None:
    assert set(FEATURES) == set(REFERENCES)


def test_real_clips_agree_with_librosa(real_clips: dict[str, Wave]) -> None:
    assert len(real_clips) == N_REAL
    assert len({stem[:4] for stem in real_clips}) >= 50
    found = [{**differences(wave), "tuning": tuning_difference(wave)} for wave in real_clips.values()]
    worst = {name: max(clip[name] for clip in found) for name in found[0]}
    lengths_s = sorted(len(wave) / SAMPLE_RATE_HZ for wave in real_clips.values())
    print(f"\n{N_REAL} real clips of {lengths_s[0]:.2f} to {lengths_s[-1]:.2f} s\n")
    print("| feature | worst difference, of the feature's scale |\n|---|---|")
    for name, value in worst.items():
        print(f"| {name} | {value:.1e} |")
    assert max(worst.values()) <= TOLERANCE


@pytest.mark.parametrize("made", MADE)
def test_made_sounds_agree_with_librosa(made: str) -> None:
    found = differences(MADE[made])
    print(f"\n{made}: {max(found.values()):.1e}")
    assert {name: value for name, value in found.items() if value > TOLERANCE} == {}
    assert tuning_difference(MADE[made]) < 1e-9


@pytest.mark.parametrize("framing", [Framing(window_s=0.025, hop_s=0.010), Framing(window_s=0.032, hop_s=0.008)])
def test_real_clips_agree_with_librosa_at_other_framings(framing: Framing, real_clips: dict[str, Wave]) -> None:
    for wave in list(real_clips.values())[::20]:
        found = differences(wave, framing)
        assert {name: value for name, value in found.items() if value > TOLERANCE} == {}


@pytest.mark.parametrize(("n_fft", "n_mels"), [(1024, 64), (1024, 16), (512, 40), (2048, 128)])
def test_mel_bands_are_librosas(n_fft: int, n_mels: int) -> None:
    theirs = librosa.filters.mel(sr=SAMPLE_RATE_HZ, n_fft=n_fft, n_mels=n_mels)
    np.testing.assert_allclose(mel_weights(n_fft, n_mels), theirs, rtol=1e-5, atol=1e-9)


def test_tuning_of_detuned_tones_is_found() -> None:
    for cents in (-30, 0, 20):
        chord = np.sum([tone(440 * 2 ** (semitone / 12 + cents / 1200)) for semitone in (0, 4, 7)], axis=0) / 3
        assert estimate_tuning(Spectra(chord, FRAMING)) == pytest.approx(cents / 100, abs=0.05)
