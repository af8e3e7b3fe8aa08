"""How fast the features are, as ratios in one process on one core.

    OMP_NUM_THREADS=1 python -m pytest tests/benchmarks/bench_features.py -m benchmark -s

Ways over the same 60 real WAV files, read from disk and decoded by each. They take turns; processor time of the
fastest of several rounds counts, clip by clip, so that what else the machine does falls on none of them.
"""

import itertools
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import scipy.fft

from ser.audio import Wave, decode
from ser.features.base import Framing, Spectra
from ser.features.pipeline import Pipeline
from tests.support.librosa_tutorial import tutorial

FRAMING = Framing()
PIPELINE = Pipeline()
N_ACTORS = 4
N_CLIPS = 60
N_ROUNDS = 9


def decoding(path: Path) -> Wave:
    return decode(path.read_bytes())


def ours(path: Path) -> None:
    PIPELINE.compute(decoding(path))


def floor_in_single(path: Path) -> None:
    """What nothing can do without: decoding, and one real transform of each frame."""
    scipy.fft.rfft(Spectra(decoding(path), FRAMING).frames)


def floor_in_double(path: Path) -> None:
    """The same in double precision, as librosa and we transform; in blocks that stay in the cache."""
    frames = Spectra(decoding(path), FRAMING).frames
    for start in range(0, len(frames), 14):
        scipy.fft.rfft(frames[start : start + 14].astype(np.float64))


WAYS = [tutorial, ours, floor_in_single, floor_in_double, decoding]


def fastest_ms(ways: Sequence[Callable[[Path], object]], clips: Sequence[Path]) -> list[float]:
    """Processor time of each way in milliseconds a clip: for each clip its fastest round."""
    best = [[float("inf")] * len(clips) for _ in ways]
    for _ in range(N_ROUNDS):
        for (i, way), (j, path) in itertools.product(enumerate(ways), enumerate(clips)):
            start = time.process_time()
            way(path)
            best[i][j] = min(best[i][j], time.process_time() - start)
    return [1e3 * statistics.mean(times) for times in best]


@pytest.fixture(scope="module")
def clips(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The WAV files of a few actors, evenly thinned."""
    if os.environ.get("OMP_NUM_THREADS") != "1":
        pytest.skip("set OMP_NUM_THREADS=1: the ratios are for one core")
    folder = tmp_path_factory.mktemp("cremad")
    unpack: list[str | Path] = [sys.executable, shared_dir / "cremad" / "unpack", folder, "--actors", str(N_ACTORS)]
    subprocess.run(unpack, check=True)
    paths = sorted(folder.glob("AudioWAV/*.wav"))
    return paths[:: len(paths) // N_CLIPS][:N_CLIPS]


@pytest.mark.benchmark
def test_print_ratios_to_tutorial_and_floor(clips: list[Path]) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Trying to estimate tuning", UserWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # of what librosa.load imports
        slow, fast, single, double, sound = fastest_ms(WAYS, clips)
    print("\n| way | ms a clip | against ours |\n|---|---|---|")
    rows = {"tutorial": slow, "ours": fast, "floor in double": double, "floor in single": single, "decoding": sound}
    for name, milliseconds in rows.items():
        print(f"| {name} | {milliseconds:.2f} | {milliseconds / fast:.2f} |")
    print(f"tutorial / ours {slow / fast:.1f}; ours / floor {fast / double:.1f}, in single {fast / single:.1f}")
