"""What a long sweep costs its driver, as ratios of its end to its beginning in one run.

    python -m pytest tests/benchmarks/bench_conductor.py -m benchmark -s

1,000 trials of all cells, up to 12 epochs each, played through without Ray and without training: the price of a report
must not grow with what was reported before; that of an ask grows with the trials that its search looks back on.
"""

import random
import statistics
import time
from pathlib import Path

import pytest

from ser.config import all_cells
from ser.distributed.conductor import Ask, Conductor
from ser.distributed.plan import Plan
from ser.journal import Ended, Journal, Reported, Started
from ser.replay import replay

N_EPOCHS = 12
PLAN = Plan(cells=tuple(all_cells()), trials_per_cell=125, max_epochs=N_EPOCHS, grace_epochs=2, reduction=3)
TEST = {"uar": 0.5, "accuracy": 0.5, "macro_f1": 0.5, "confusion": [[1]], "n_parameters": 1, "train_seconds": 1.0}


def play(conductor: Conductor) -> tuple[list[float], list[float]]:
    """Processor seconds of each ask and of each report, in order."""
    rng, asks, reports = random.Random(0), [], []
    while (asked := timed(conductor.next_trial, asks)) is not None:
        play_trial(conductor, asked, rng, reports)
    return asks[:-1], reports


def play_trial(conductor: Conductor, ask: Ask, rng: random.Random, reports: list[float]) -> None:
    cell, number, merit = ask.key.cell, ask.key.number, rng.random()
    for epoch in range(1, N_EPOCHS + 1):
        metrics = {"val_uar": merit + 0.02 * epoch, "val_loss": 1.0}
        event = Reported(cell, number, epoch, metrics, [[9] * 6] * 6, epoch == N_EPOCHS)
        if not timed(lambda event=event: conductor.report(event), reports):
            conductor.end(Ended(cell, number, "pruned"))
            return
    conductor.end(Ended(cell, number, "completed", bundle="b", test=TEST))


def timed(step, times: list[float]):
    start = time.process_time()
    result = step()
    times.append(time.process_time() - start)
    return result


def ends(times: list[float]) -> tuple[float, float]:
    """Median milliseconds of the first and of the last tenth."""
    tenth = len(times) // 10
    return 1e3 * statistics.median(times[:tenth]), 1e3 * statistics.median(times[-tenth:])


@pytest.mark.benchmark
def test_the_price_of_a_report_does_not_grow(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append(Started("s", PLAN.as_dict(), {}))
    conductor = Conductor(journal, PLAN)
    asks, reports = play(conductor)
    conductor.close()
    journal.close()
    start = time.process_time()
    n_trials = len(replay(journal.path).trials)
    replay_s = time.process_time() - start
    (first_ask, last_ask), (first, last) = ends(asks), ends(reports)
    print(f"\n{n_trials} trials, {len(reports)} reports, journal {journal.path.stat().st_size / 1e6:.1f} MB")
    print(f"report {first:.3f} -> {last:.3f} ms, last / first {last / first:.2f}")
    print(f"ask {first_ask:.2f} -> {last_ask:.2f} ms, last / first {last_ask / first_ask:.2f}")
    print(f"replay of the whole {replay_s:.2f} s, of a report {1e3 * replay_s / len(reports):.3f} ms")
    assert n_trials == 1000
    assert last / first < 2
    assert last_ask / first_ask < 20
