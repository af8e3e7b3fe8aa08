"""Whether a hundred thousand clips cost the driver no more memory than the first, and as much time each.

    OMP_NUM_THREADS=1 python -m pytest tests/benchmarks/bench_extraction_scale.py -m benchmark -s

SER_SCALE_CLIPS sets another number. The clips are the real ones with the lowest bit of some samples turned over, so
that none is like another; they and the store take 160 kB each in the folder for temporary files, and go afterwards.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ser.corpora.base import CORPORA, Clip
from ser.distributed.cluster import connect
from ser.distributed.extraction import RayExtractor
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore
from tests.support.ray_cluster import processor_s

N_CLIPS = int(os.environ.get("SER_SCALE_CLIPS", "100000"))
N_TURNED = 1000
HEADER_BYTES = 44
MEBIBYTE = 2**20


def turned_over(source: Path, target: Path, seed: int) -> None:
    """A clip that differs from `source` by the lowest bit of some samples."""
    content = np.fromfile(source, np.uint8)
    low_bytes = content[HEADER_BYTES::2]
    low_bytes[np.random.default_rng(seed).integers(0, len(low_bytes), N_TURNED)] ^= 1
    content.tofile(target)


def make(clips: list[Clip], folder: Path, variants: range) -> None:
    for variant in variants:
        for clip in clips:
            turned_over(Path(clip.location), folder / f"{clip.name}-{variant:03d}.wav", variant)


def many_clips(clips: list[Clip], folder: Path) -> Iterator[Clip]:
    for variant in range(-(-N_CLIPS // len(clips))):
        for clip in clips:
            name = f"{clip.name}-{variant:03d}"
            yield Clip(name, str(folder / f"{name}.wav"), clip.speaker, clip.sentence, clip.emotion, clip.intensity)


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def seconds_now() -> tuple[float, float, float]:
    """Of the clock, and of cores that the driver and its workers have had, whatever else the machine does."""
    return time.monotonic(), time.process_time(), processor_s(os.getpid(), prefix="ray::")


def by_tenths(n_clips: int) -> Callable[[int, int], None]:
    """Prints memory and speed at the end of each tenth."""
    last, tenth = np.array([0, *seconds_now()]), 1

    def tell(done: int, n_unusable: int) -> None:
        nonlocal last, tenth
        assert not n_unusable
        if done < tenth * n_clips // 10:
            return
        now = np.array([done, *seconds_now()])
        n_done, gone_s, driver_s, workers_s = now - last
        line = (
            f"{done:>8,} clips: driver {resident_bytes() / MEBIBYTE:4.0f} MiB, {n_done / gone_s:6,.0f} clips/s; a clip"
        )
        cores = (
            f"cost the driver {1e6 * driver_s / n_done:3.0f} us of a core, the workers {1e6 * workers_s / n_done:5.0f}"
        )
        print(f"{line} {cores}; load {os.getloadavg()[0]:.1f}", flush=True)
        last, tenth = now, tenth + 1

    return tell


@pytest.mark.benchmark
def test_print_memory_and_speed_by_tenths(shared_dir: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="ser-scale-") as name:
        folder = Path(name)
        unpack: list[str | Path] = [sys.executable, shared_dir / "cremad" / "unpack", folder / "real"]
        subprocess.run(unpack, check=True, stdout=subprocess.DEVNULL)
        real = list(CORPORA["cremad"]().scan(folder / "real").clips)
        sounds = folder / "sounds"
        sounds.mkdir()
        n_variants = -(-N_CLIPS // len(real))
        with ProcessPoolExecutor(2) as pool:
            for making in [pool.submit(make, real, sounds, range(n, n_variants, 2)) for n in (0, 1)]:
                making.result()
        clips = list(many_clips(real, sounds))[:N_CLIPS]
        store = FeatureStore(folder / "store")
        print(f"\n{len(clips):,} clips are made; driver {resident_bytes() / MEBIBYTE:.0f} MiB", flush=True)
        with connect(None):
            for what in ("computed", "were there"):
                tell = by_tenths(len(clips))
                started = time.monotonic()
                found = RayExtractor().extract(
                    clips, store=store, pipeline=Pipeline(), whole=False, max_unusable=0, progress=tell
                )
                print(f"{found.n_computed:,} computed ({what}) in {time.monotonic() - started:.0f} s", flush=True)
                assert found.n_clips == len(clips)
