"""How fast the features are, as ratios in one process on one core.

    OMP_NUM_THREADS=1 python -m pytest tests/benchmarks/bench_features.py -m benchmark -s

Ways over the same 100 real clips, whose FLAC bytes are in memory; each decodes. They take turns; processor time of the
fastest of several rounds counts, clip by clip, so that what else the machine does falls on none of them.
"""

import itertools
import os
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import librosa
import pytest
import scipy.fft

from ser.audio import SAMPLE_RATE_HZ, decode
from ser.features.base import Framing, Spectra
from ser.features.pipeline import Pipeline

FRAMING = Framing()
CUT = {"n_fft": FRAMING.n_fft, "hop_length": FRAMING.hop_length}
SOUND = {"sr": SAMPLE_RATE_HZ, **CUT}
FRAMES = {"frame_length": FRAMING.n_fft, "hop_length": FRAMING.hop_length}
PIPELINE = Pipeline()
N_ROUNDS = 5


def tutorial(data: bytes) -> None:
    """The seven features by librosa's functions, each called on the waveform."""
    wave = decode(data)
    librosa.feature.zero_crossing_rate(wave, **FRAMES)
    librosa.feature.rms(y=wave, **FRAMES)
    librosa.feature.mfcc(y=wave, n_mfcc=20, n_mels=64, **SOUND)
    librosa.feature.chroma_stft(y=wave, **SOUND)
    librosa.feature.spectral_contrast(y=wave, **SOUND)
    for _ in ("1-D", "2-D"):
        librosa.power_to_db(librosa.feature.melspectrogram(y=wave, n_mels=64, **SOUND))


def ours(data: bytes) -> None:
    PIPELINE.compute(decode(data))


def floor(data: bytes) -> None:
    """What nothing can do without: decoding, and one real transform of each frame."""
    scipy.fft.rfft(Spectra(decode(data), FRAMING).frames)


def decoding(data: bytes) -> None:
    decode(data)


def fastest_ms(ways: list[Callable[[bytes], None]], clips: list[bytes]) -> list[float]:
    """Processor time of each way in milliseconds a clip: for each clip its fastest round."""
    best = [[float("inf")] * len(clips) for _ in ways]
    for _ in range(N_ROUNDS):
        for (i, way), (j, data) in itertools.product(enumerate(ways), enumerate(clips)):
            start = time.process_time()
            way(data)
            best[i][j] = min(best[i][j], time.process_time() - start)
    return [1e3 * statistics.mean(times) for times in best]


@pytest.mark.benchmark
def test_print_ratios_of_tutorial_ours_and_floor(shared_dir: Path) -> None:
    if os.environ.get("OMP_NUM_THREADS") != "1":
        pytest.skip("set OMP_NUM_THREADS=1: the ratios are for one core")
    paths = sorted((shared_dir / "cremad" / "AudioFLAC").glob("*.flac"))
    clips = [path.read_bytes() for path in paths[:: len(paths) // 100][:100]]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Trying to estimate tuning", UserWarning)
        slow, fast, least, sound = fastest_ms([tutorial, ours, floor, decoding], clips)
    print(f"\ntutorial {slow:.2f} ms, ours {fast:.2f} ms, floor {least:.2f} ms a clip")
    print(f"tutorial / ours {slow / fast:.1f}, ours / floor {fast / least:.1f}")
    print(f"decoding {sound:.2f} ms of each; without it {(slow - sound) / (fast - sound):.1f}")
