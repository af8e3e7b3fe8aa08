"""What serving costs: the way over HTTP, a batch, a second server, the start; differences and ratios of one run.

    python -m pytest tests/benchmarks/bench_serving.py -m benchmark -s

What is compared takes turns, medians count, everything runs on this machine, the client too.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, Schema

from tests.support.command_runner import run_sweep
from tests.support.model_server import CHAMPION, Server, gateway, request_of, serving, sound, text

pytestmark = pytest.mark.benchmark

PLAN = """
corpus = "synthetic"
cells = ["sercnn-2d"]
trials_per_cell = 1
max_epochs = 2
grace_epochs = 2
[settings]
"model.norm" = "batch"
"model.n_blocks" = 4
"model.channels" = 32
"model.convolutions_per_block" = 1
"model.kernel" = 3
"training.precision" = "float32"
"training.memory_format" = "contiguous"
"""
NOTHING = """
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

class Nothing(PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input

set_model(Nothing())
"""
N_CONNECTIONS = 4


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tracked")
    (folder / "plan.toml").write_text(PLAN)
    ended = run_sweep("--plan", "plan.toml", "--corpus-dir", folder / "synthetic", "--name", "served", folder=folder)
    assert ended.code == 0, ended.seen
    return folder


@pytest.fixture(scope="module")
def server(tracked: Path) -> Iterator[Server]:
    with serving(tracked) as server:
        yield server


@pytest.fixture(scope="module")
def clip() -> str:
    """2.5 s, 16-bit WAV at 16 kHz: as long as a clip of CREMA-D."""
    return text(sound(np.random.default_rng(0).normal(0, 0.1, 40_000)))


def medians_ms(ways: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Median milliseconds of each, taken in turns."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, act in ways.items():
            started = time.perf_counter()
            act()
            taken[name].append(1000 * (time.perf_counter() - started))
    return {name: statistics.median(times) for name, times in taken.items()}


def test_http_adds_little_and_a_batch_is_not_dearer(tracked: Path, server: Server, clip: str) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{tracked}/mlflow.db")
    model = mlflow.pyfunc.load_model(CHAMPION)
    one, many = request_of([clip]), request_of([clip] * 32)
    with gateway(tracked, server) as guarded:
        ways = {
            "in process": lambda: model.predict(pd.DataFrame({"audio": [clip]})),
            "over HTTP": lambda: server.post(one).rows,
            "behind the gateway": lambda: guarded.post(one).rows,
            "32 in one request": lambda: server.post(many).rows,
        }
        medians_ms(ways, rounds=5)
        took = medians_ms(ways, rounds=60)
    added = took["over HTTP"] - took["in process"]
    print(f"\n{', '.join(f'{name} {ms:.2f} ms' for name, ms in took.items())} (load {os.getloadavg()[0]:.1f})")
    print(f"HTTP adds {added:.2f} ms, the gateway {took['behind the gateway'] - took['over HTTP']:.2f} ms")
    print(f"a clip among 32 / alone: {took['32 in one request'] / 32 / took['over HTTP']:.2f}")
    assert added < 5
    assert took["32 in one request"] / 32 < took["over HTTP"]


def per_second(server: Server, body: bytes, *, seconds: float) -> float:
    """Requests that are answered over several connections."""
    until = time.monotonic() + seconds

    def ask(_: int) -> int:
        n_answered = 0
        with server.another() as another:
            while time.monotonic() < until:
                assert another.post(body).rows
                n_answered += 1
        return n_answered

    with ThreadPoolExecutor(N_CONNECTIONS) as threads:
        return sum(threads.map(ask, range(N_CONNECTIONS))) / seconds


def test_a_second_server_answers_more(tracked: Path, server: Server, clip: str) -> None:
    body = request_of([clip] * 4)
    with ExitStack() as stack:
        servers = (server, stack.enter_context(serving(tracked)))
        guarded = {n: stack.enter_context(gateway(tracked, *servers[:n])) for n in (1, 2)}
        for front in guarded.values():
            per_second(front, body, seconds=3)
        rates: dict[int, list[float]] = {n: [] for n in guarded}
        for _ in range(5):
            for n, front in guarded.items():
                rates[n].append(per_second(front, body, seconds=4))
    one, two = (statistics.median(rates[n]) for n in (1, 2))
    print(f"\nrequests of 4 clips a second: one server {one:.1f}, two {two:.1f}, ratio {two / one:.2f}", end=" ")
    print(f"({os.cpu_count()} cores, load {os.getloadavg()[0]:.1f})")
    assert two / one >= 1.4


def seconds_until_up(tracked: Path, model: str) -> float:
    started = time.monotonic()
    with serving(tracked, model=model):
        return time.monotonic() - started


def test_the_start_is_mlflow_s_and_torch_s(tracked: Path) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{tracked}/mlflow.db")
    (tracked / "nothing.py").write_text(NOTHING)
    columns = Schema([ColSpec("string", "audio")])
    mlflow.pyfunc.log_model(
        name="nothing",
        python_model=str(tracked / "nothing.py"),
        signature=ModelSignature(inputs=columns, outputs=columns),
        input_example=pd.DataFrame({"audio": ["any"]}),
        pip_requirements=["mlflow"],
        registered_model_name="nothing",
    )
    taken: dict[str, list[float]] = {CHAMPION: [], "models:/nothing/1": []}
    for _ in range(3):
        for model, times in taken.items():
            times.append(seconds_until_up(tracked, model))
    ours, alone = (statistics.median(times) for times in taken.values())
    print(f"\nup after {ours:.2f} s, MLflow with a model of nothing after {alone:.2f} s, ratio {ours / alone:.2f}")
    assert ours / alone < 8 / 5
