"""Requests that nobody would send on purpose, by the thousand: nothing breaks, and memory does not grow.

    python -m tests.support.serving_fuzzer --tracked FOLDER

FOLDER is where a sweep on synthetic voices was run (its `mlflow.db` lies there). The served champion and the gateway
are started, fuzzed over loopback from several connections, and stopped. `test_fuzz.py` sends a few thousand in CI,
`tests/soak` as many as this.
"""

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.support.model_server import FORMS, JSON, Server, gateway, request_of, serving, sound, text
from tests.support.process_tree import with_descendants

N_REQUESTS = 100_000
MOST_BYTES = 2048
_CONNECTIONS = 4
_TYPES = (
    None,
    "text/csv",
    "text/plain",
    "application/json; charset=latin1",
    "application/vnd.apache.parquet",
    "x" * 999,
)


@dataclass
class Outcome:
    """What came back of all requests, and the server's memory in MiB as they went on."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)

    def late_growth(self) -> float:
        """Memory at the end, median of the last fifth, over that of the second fifth, when all is warm."""
        fifth = max(1, len(self.memory_mib) // 5)
        return float(np.median(self.memory_mib[-fifth:]) / np.median(self.memory_mib[fifth : 2 * fifth]))


def fuzz(asked: Server, model: Server, *, n_requests: int, seed: int, told: Callable[[str], None]) -> Outcome:
    """Send `n_requests` to `asked`, behind which is `model`, whose memory is watched."""
    outcome, sounds = Outcome(), [_sound(kind) for kind in ("WAV", "FLAC", "OGG", "MP3")]
    part, started = max(1, n_requests // 50), time.monotonic()
    with ThreadPoolExecutor(_CONNECTIONS) as threads:
        for first in range(0, n_requests, part):
            numbers = range(first, min(first + part, n_requests))
            shares = [numbers[start::_CONNECTIONS] for start in range(_CONNECTIONS)]
            list(threads.map(lambda share: _send(asked, share, seed, sounds, outcome), shares))
            outcome.memory_mib.append(memory_mib(model))
            rate = numbers.stop / (time.monotonic() - started)
            told(f"{numbers.stop:,} requests, {rate:.0f} a second, {outcome.memory_mib[-1]:.0f} MiB")
    return outcome


def memory_mib(server: Server) -> float:
    """Resident memory of a server's processes."""
    return sum(_resident_kib(child) for child in with_descendants([server.process]) - {server.process}) / 1024


def _send(asked: Server, numbers: range, seed: int, sounds: list[bytes], outcome: Outcome) -> None:
    with asked.another() as another:
        for number in numbers:
            answer = another.post(*_request(random.Random(f"{seed} {number}"), sounds))
            outcome.statuses[answer.status] += 1
            fine = answer.status == 200 or (400 <= answer.status < 500 and len(answer.body) < MOST_BYTES)
            if not fine or b"Traceback" in answer.body or b"NaN" in answer.body:
                outcome.wrong.append(f"request {number} of seed {seed}: {answer.status} {answer.body[:300]!r}")


def _request(rng: random.Random, sounds: list[bytes]) -> tuple[bytes, str | None]:
    rows = [_row(rng, sounds) for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 3)))]
    body = request_of(rows, rng.choice(FORMS))
    if rng.random() < 0.2:
        body = _mutated(rng, body)
    if rng.random() < 0.02:
        body = _nested(rng)
    return body, rng.choice(_TYPES) if rng.random() < 0.05 else JSON


def _row(rng: random.Random, sounds: list[bytes]) -> object:
    kind = rng.random()
    if kind < 0.1:
        return rng.choice((None, 1, True, [], {}, "", "=", "ÿ", "\ud800", "A" * rng.randrange(9_999), 1e308, [["A"]]))
    if kind < 0.2:
        return _mutated(rng, text(rng.choice(sounds)).encode()).decode("latin1")
    data = rng.choice(sounds)
    return text(data if kind < 0.3 else _mutated(rng, data))


def _mutated(rng: random.Random, data: bytes) -> bytes:
    """Bytes changed, put in, taken out, repeated or cut off; headers, which come first, more often than the rest."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        place = rng.randrange(min(len(changed), rng.choice((64, 64, len(changed) + 1))) + 1)
        match rng.randrange(5):
            case 0:
                changed[place : place + 1] = rng.randbytes(1)
            case 1:
                changed[place : place + rng.choice((1, 2, 4))] = rng.choice(
                    (b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff")
                )
            case 2:
                changed[place:place] = rng.randbytes(rng.randrange(1, 64))
            case 3:
                del changed[place : place + rng.randrange(1, 64)]
            case 4:
                del changed[rng.randrange(len(changed) + 1) :]
    return bytes(changed)


def _nested(rng: random.Random) -> bytes:
    depth = rng.choice((5, 900, 5_000))
    return rng.choice(
        (
            b"[" * depth,
            b'{"inputs":' * depth,
            b'{"inputs": ' + b"9" * depth + b"}",
            json.dumps({"inputs": "A" * depth}).encode(),
        )
    )


def _sound(kind: str) -> bytes:
    time_s = np.arange(4_000) / 16_000
    return sound(0.4 * np.sin(2 * np.pi * 180 * time_s) + 0.01 * np.cos(900 * time_s**2), kind=kind)


def _resident_kib(process: int) -> int:
    (line,) = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1])


def main() -> int:
    """Fuzz, print how it went; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracked", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=N_REQUESTS)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    tracked = args.tracked.resolve()
    with tempfile.TemporaryDirectory() as folder, serving(tracked) as model, gateway(Path(folder), model) as guarded:
        outcome = fuzz(
            guarded, model, n_requests=args.requests, seed=args.seed, told=lambda line: print(line, flush=True)
        )
        with model.another() as another:
            alive = another.is_up()
    print(f"statuses {dict(sorted(outcome.statuses.items()))}, still up: {alive}")
    print(f"memory of the last fifth / of the second fifth: {outcome.late_growth():.3f}")
    print(*outcome.wrong[:20], f"{len(outcome.wrong)} answers were wrong", sep="\n")
    return 0 if alive and not outcome.wrong else 1


if __name__ == "__main__":
    raise SystemExit(main())
