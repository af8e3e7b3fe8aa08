"""Cost of a long sweep for its driver process, as ratios of its end to its beginning in one run.

    python -m pytest tests/benchmarks/bench_controller.py -m benchmark -s

1,000 trials of all cells, 100 epochs each, played through rungs, search and journal without Ray and without training,
then sent to a real MLflow on SQLite: neither the price of a report nor memory may grow with what was reported before;
the price of an ask grows with the trials that its search looks back on. Each trial is a little better than the one
before, so that rungs are passed and not one is cut short. About 15 minutes.
"""

import json
import statistics
import time
from itertools import pairwise
from pathlib import Path

import pytest

from ser.experiment.experiment import all_cells
from ser.sweep.controller import Controller, NextTrial
from ser.sweep.journal import Ended, Journal, Reported, Started
from ser.sweep.plan import Plan
from ser.sweep.state import replay
from ser.tracking.publication import Publication

N_EPOCHS = 100
PLAN = Plan(cells=tuple(all_cells()), trials_per_cell=125, max_epochs=N_EPOCHS, grace_epochs=2, reduction=3)
FACTS = {"corpus": "bench", "corpus_digest": "0" * 36, "split_digest": "0", "corpus_dir": "x", "n_clips": 1}
FACTS |= {"n_speakers": 1, "emotions": list("abcdef")}
TEST = {"uar": 0.5, "accuracy": 0.5, "macro_f1": 0.5, "confusion": [[9] * 6] * 6, "n_parameters": 1, "train_seconds": 1}

pytestmark = pytest.mark.benchmark


def resident_mib() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def timed(step, times: list[float]):
    start = time.process_time()
    result = step()
    times.append(time.process_time() - start)
    return result


def play_trial(controller: Controller, ask: NextTrial, n_asked: int, reports: list[float]) -> None:
    cell, number = ask.key.cell, ask.key.number
    for epoch in range(1, N_EPOCHS + 1):
        uar = n_asked / 2000 + epoch / 1000
        metrics = {"train_loss": 1.0, "val_loss": 1.0, "val_uar": uar, "val_accuracy": uar, "val_macro_f1": uar}
        event = Reported(cell, number, epoch, metrics, [[9] * 6] * 6, epoch == N_EPOCHS, 1.0)
        assert timed(lambda event=event: controller.report(event), reports)
    controller.end(Ended(cell, number, "completed", bundle="gone", test=TEST))


def ends(values: list[float]) -> tuple[float, float]:
    """Median of the first and of the last tenth."""
    tenth = len(values) // 10
    return statistics.median(values[:tenth]), statistics.median(values[-tenth:])


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of the whole sweep; what it cost is printed."""
    journal = Journal(tmp_path_factory.mktemp("home") / "journal.jsonl")
    journal.append(Started("s", PLAN.as_dict(), FACTS))
    controller = Controller(journal, PLAN)
    asks: list[float] = []
    reports: list[float] = []
    memory: list[float] = []
    while (ask := timed(controller.next_trial, asks)) is not None:
        play_trial(controller, ask, len(asks), reports)
        memory.append(resident_mib())
    controller.close()
    journal.close()
    (first_ask, last_ask), (first, last) = ends(asks[:-1]), ends(reports)
    growth = memory[-1] - memory[len(memory) // 10]
    print(f"\n{len(memory)} trials, {len(reports):,} reports, journal {journal.path.stat().st_size / 1e6:.1f} MB")
    print(f"processor time of a report {1e3 * first:.3f} -> {1e3 * last:.3f} ms, last / first {last / first:.2f}")
    print(f"processor time of an ask {1e3 * first_ask:.2f} -> {1e3 * last_ask:.2f} ms")
    print(f"memory {memory[0]:.0f} -> {memory[-1]:.0f} MiB: {1024 * growth / (0.9 * len(memory)):.1f} KiB a trial")
    assert (len(memory), len(reports)) == (1000, 100_000)
    assert last / first < 1.5
    assert growth < 50
    return journal.path


def test_replaying_costs_as_much_per_report_at_the_end(played: Path):
    start = time.process_time()
    n_trials = len(replay(played).trials)
    print(f"\nreplay of the whole {time.process_time() - start:.1f} s")
    assert n_trials == 1000


def test_the_writer_sends_the_last_reports_as_fast_as_the_first(played: Path, tmp_path: Path):
    uri, size = f"sqlite:///{tmp_path}/mlflow.db", played.stat().st_size
    publication = Publication(played, sweep="s", sweep_id="bench", experiment="bench", uri=uri)
    seen: list[tuple[float, int, float]] = []
    with publication:
        started, deadline = time.process_time(), time.monotonic() + 3600
        while not seen or seen[-1][1] < 0.999 * size:
            time.sleep(1)
            sent = played.with_suffix(".sent")
            offset = json.loads(sent.read_text())["offset"] if sent.exists() else 0
            seen.append((time.process_time(), offset, resident_mib()))
            assert time.monotonic() < deadline, seen[-1]
        assert publication.finish() == ""
    passed = [next(t for t, offset, _ in seen if offset >= size * tenth / 10) for tenth in range(1, 10)] + [seen[-1][0]]
    tenths = [b - a for a, b in pairwise([started, *passed])]
    memory = [mib for _, _, mib in seen]
    print(f"\nprocessor seconds to send each tenth of {size / 1e6:.0f} MB: {', '.join(f'{s:.0f}' for s in tenths)}")
    print(f"memory {memory[len(memory) // 10]:.0f} -> {memory[-1]:.0f} MiB")
    first, last = statistics.mean(tenths[1:4]), statistics.mean(tenths[-3:])
    print(f"last three tenths / second to fourth: {last / first:.2f}")
    assert last / first < 1.5
    assert memory[-1] - memory[len(memory) // 10] < 100
