"""What Ray adds to the features of the whole corpus, and what a second extraction costs; ratios in one run.

    OMP_NUM_THREADS=1 python -m pytest tests/benchmarks/bench_extraction.py -m benchmark -s

All real clips as WAV files, read from disk and decoded by everybody; ours writes its store too. The ways take turns;
the median of the rounds counts. Ray is up and its two workers have each had a batch before: from then on all is
counted, making tasks, sending them, and what the driver does with the results. joblib's two processes are warm as well,
numba's compilation behind them; they have a sample of the clips.
"""

import hashlib
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
import ray
from joblib import Parallel, delayed

from ser.audio import decode, digest_of, facts
from ser.corpora.base import CORPORA, Clip
from ser.distributed.cluster import connect
from ser.distributed.extraction import RayExtractor
from ser.features.batch import Sound, extract_batch, read_sound
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore
from ser.features.stored_clip import Entry, encode_entry
from tests.support.librosa_tutorial import tutorial
from tests.support.ray_cluster import processor_s

# Workers do not find this module.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

T = TypeVar("T")

N_ROUNDS = 3
N_SAMPLE = 400
PIPELINE = Pipeline()


@dataclass
class Corpus:
    """The clips, and a new store for each extraction."""

    clips: Sequence[Clip]
    folder: Path
    stores: list[FeatureStore] = field(default_factory=list)

    def new_store(self) -> FeatureStore:
        self.stores.append(FeatureStore(self.folder / f"store-{len(self.stores)}"))
        return self.stores[-1]


@pytest.fixture(scope="module")
def corpus(shared_dir: Path) -> Iterator[Corpus]:
    if os.environ.get("OMP_NUM_THREADS") != "1":
        pytest.skip("set OMP_NUM_THREADS=1: the ratios are of processes with a core each")
    with tempfile.TemporaryDirectory(prefix="ser-extraction-") as name:
        unpack: list[str | Path] = [sys.executable, shared_dir / "cremad" / "unpack", name]
        subprocess.run(unpack, check=True, stdout=subprocess.DEVNULL)
        yield Corpus(CORPORA["cremad"]().scan(name).clips, Path(name))


@pytest.fixture(scope="module")
def two_workers(corpus: Corpus) -> Iterator[None]:
    with connect(None):
        if ray.cluster_resources()["CPU"] != 2:
            pytest.skip("this is for a machine of two cores")
        by_ray(corpus.clips[:256], corpus.new_store())
        yield


def sounds(clips: Sequence[Clip]) -> list[Sound]:
    return [Sound(clip.name, clip.location) for clip in clips]


def by_ray(clips: Sequence[Clip], store: FeatureStore) -> int:
    """By two workers; how many clips were computed."""
    nothing = lambda *_: None  # noqa: E731
    found = RayExtractor().extract(clips, store=store, pipeline=PIPELINE, whole=False, max_unusable=0, progress=nothing)
    return found.n_computed


def by_one_process(clips: Sequence[Clip], store: FeatureStore) -> int:
    return extract_batch(sounds(clips), store, PIPELINE, whole=False).n_computed


def read_and_hash(clips: Sequence[Clip]) -> None:
    for clip in clips:
        hashlib.sha256(Path(clip.location).read_bytes()).hexdigest()


def tutorial_of_file(location: str) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Trying to estimate tuning", UserWarning)
        tutorial(Path(location))


def seconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def in_turns(*ways: Callable[[], object]) -> list[float]:
    """Seconds of each way, the median of the rounds."""
    times = [[seconds(way) for way in ways] for _ in range(N_ROUNDS)]
    return [statistics.median(of_one) for of_one in zip(*times, strict=True)]


def load() -> str:
    return f"load of the machine {os.getloadavg()[0]:.1f}"


@pytest.mark.benchmark
@pytest.mark.usefixtures("two_workers")
def test_print_ratio_of_two_workers_to_one_process_and_to_joblib(corpus: Corpus) -> None:
    clips, some = corpus.clips, corpus.clips[:: len(corpus.clips) // N_SAMPLE][:N_SAMPLE]
    pool = Parallel(n_jobs=2)
    pool(delayed(tutorial_of_file)(clip.location) for clip in clips[:64])
    by_one_process(clips[:64], corpus.new_store())
    one, two, sample = in_turns(
        lambda: by_one_process(clips, corpus.new_store()),
        lambda: by_ray(clips, corpus.new_store()),
        lambda: pool(delayed(tutorial_of_file)(clip.location) for clip in some),
    )
    others = sample * len(clips) / len(some)
    print(
        f"\n{len(clips):,} clips: one process {one:.2f} s, two Ray workers {two:.2f} s: {one / two:.2f} times as fast"
    )
    print(
        f"joblib over librosa's functions {others:.1f} s (of {len(some)} clips): ours {others / two:.1f} times as fast"
    )
    print(
        f"{load()}, which shares its cores; of processor time {spent(by_one_process, corpus)[0]:.2f} s by one process,"
    )
    print(
        "{:.2f} s by Ray's workers, {:.2f} s by the driver and Ray's own processes".format(*spent(by_ray, corpus)[1:])
    )


def spent(way: Callable[[Sequence[Clip], FeatureStore], int], corpus: Corpus) -> tuple[float, float, float]:
    """Processor time of this process for all clips; of the workers; and of all but the workers."""
    me = os.getpid()

    def now() -> tuple[float, float, float]:
        mine, workers, below = time.process_time(), processor_s(me, prefix="ray::"), processor_s(me)
        return mine, workers, mine + below - workers

    before = now()
    way(corpus.clips, corpus.new_store())
    mine, workers, rest = (after - earlier for after, earlier in zip(now(), before, strict=True))
    return mine, workers, rest


@pytest.mark.benchmark
@pytest.mark.usefixtures("two_workers")
def test_print_what_a_repeated_extraction_costs(corpus: Corpus) -> None:
    clips, store = corpus.clips, corpus.new_store()
    by_ray(clips, store)
    n_computed: list[int] = []
    again, alone, least = in_turns(
        lambda: n_computed.append(by_ray(clips, store)),
        lambda: n_computed.append(by_one_process(clips, store)),
        lambda: read_and_hash(clips),
    )
    assert set(n_computed) == {0}
    print(f"\nreading and hashing {len(clips):,} files {least:.2f} s")
    print(
        f"extracting again: two Ray workers {again:.2f} s, {again / least:.2f} times that; computed {sum(n_computed)}"
    )
    print(f"... one process {alone:.2f} s, {alone / least:.2f} times; {load()}")


@pytest.mark.benchmark
def test_print_where_the_time_of_a_clip_goes(corpus: Corpus) -> None:
    """Processor time of one process, the fastest of the rounds of each clip."""
    store, some = corpus.new_store(), corpus.clips[:: len(corpus.clips) // 100][:100]
    best: dict[str, list[float]] = {}
    for n_round, clip in itertools.product(range(N_ROUNDS), some):
        for what, spent in steps(clip, store).items():
            times = best.setdefault(what, [])
            if n_round:
                times[some.index(clip)] = min(times[some.index(clip)], spent)
            else:
                times.append(spent)
    means = {what: 1e6 * statistics.mean(times) for what, times in best.items()}
    print(f"\nmicroseconds a clip: {', '.join(f'{what} {mean:.0f}' for what, mean in means.items())}")


def steps(clip: Clip, store: FeatureStore) -> dict[str, float]:
    """Seconds of all that is done for a clip which is not in the store, and of finding it there later."""
    spent: dict[str, float] = {}

    def step(what: str, act: Callable[[], T]) -> T:
        start = time.process_time()
        done = act()
        spent[what] = time.process_time() - start
        return done

    data = step("read", lambda: read_sound(clip.location))
    digest = step("digest", lambda: digest_of(data))
    step("not found", lambda: store.facts(store.key(digest, "another pipeline")))
    wave = step("decode", lambda: decode(data))
    features = step("features", lambda: PIPELINE.compute(wave))
    entry = step("facts", lambda: Entry(facts(wave, digest=digest), PIPELINE.pack(features)))
    key = store.key(digest, PIPELINE.digest)
    step("write", lambda: store.write(key, entry))
    step("(of that encode)", lambda: encode_entry(entry))
    step("(next time: found)", lambda: store.facts(key))
    return spent


@ray.remote(num_cpus=1)
def first_clip(sound: Sound, store: FeatureStore) -> tuple[float, float]:
    """Seconds from the start of this worker's process until it had its first clip, and until it began."""
    begun = _age_of_this_process_s()
    extract_batch([sound], store, Pipeline(), whole=False)
    return _age_of_this_process_s(), begun


def _age_of_this_process_s() -> float:
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return float(Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")


@pytest.mark.benchmark
@pytest.mark.usefixtures("two_workers")
def test_print_when_a_new_worker_has_its_first_clip(corpus: Corpus) -> None:
    (sound,) = sounds(corpus.clips[:1])
    ages = []
    for n in range(N_ROUNDS):
        # Another environment wants a worker of its own, started for this task.
        task = first_clip.options(runtime_env={"env_vars": {"SER_ROUND": str(n)}})
        ages.append(ray.get(task.remote(sound, corpus.new_store())))
    out, begun = (statistics.median(of_one) for of_one in zip(*ages, strict=True))
    print(f"\na new worker has its first clip {out:.2f} s after its start (its task began at {begun:.2f} s); {load()}")
