"""What a report costs the training loop: here with the tracker up, slow and dead, and with Ray's own MLflow callback.

    python -m pytest tests/benchmarks/bench_report.py -m benchmark -s

The same trials in one run, on a real MLflow server: in each trial's process, how long after an epoch the next begins.
That of the callback is the tutorials' loop. No checkpoint falls into it. 3 minutes on 2 idle cores.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
import torch
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from rich.console import Console

from ser.commands.live_display import Display
from ser.commands.sweep_corpus import prepare_sweep_corpus
from ser.corpora.synthetic import make_synthetic
from ser.distributed import runner, trainable
from ser.distributed.cluster import connect
from ser.distributed.shared_trial_data import share_trial_data
from ser.experiment.experiment import from_flat
from ser.experiment.preparation import find_clips
from ser.experiment.trial import Trial, validation_metrics
from ser.features.spaces import name_stored_features
from ser.sweep.controller import Controller
from ser.sweep.facts import SweepFacts, describe_corpus
from ser.sweep.folder import SweepFolder
from ser.sweep.journal import Journal, Started
from ser.sweep.plan import Plan
from ser.sweep.plan_files import with_settings
from ser.tracking.publication import Publication
from tests.support.command_runner import free_port
from tests.support.faulty_proxy import proxied
from tests.support.mlflow_server import Tracker

PLAN = with_settings(
    Plan(corpus="synthetic", cells=("lenet5-1d",), trials_per_cell=2, max_epochs=20, grace_epochs=20),
    {"training.patience": 20},
)
QUIET = Console(quiet=True)

pytestmark = pytest.mark.benchmark
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Trials:
    """The data of the trials, and how long their loops waited between two epochs."""

    def __init__(self, folder: Path, data: dict, facts: dict) -> None:
        self.folder, self.data, self.facts = folder, data, facts

    def timed(self, name: str, train):
        """`train`, which writes down how long after each epoch the next one begins."""
        waits_dir = self.folder / f"waits-{name}"
        waits_dir.mkdir()

        def timed_train(config, *, data):
            waits, epochs = [], Trial.epochs

            def timed_epochs(trial):
                for epoch in epochs(trial):
                    started = time.perf_counter()
                    yield epoch
                    waits.append(1000 * (time.perf_counter() - started))

            Trial.epochs = timed_epochs  # type: ignore[method-assign]
            try:
                train(config, data=data)
            finally:
                Trial.epochs = epochs  # type: ignore[method-assign]
                (waits_dir / f"{config['key'][2]}.json").write_text(json.dumps(waits))

        return timed_train

    def waits(self, name: str) -> list[float]:
        files = sorted((self.folder / f"waits-{name}").glob("*.json"))
        assert len(files) == PLAN.trials_per_cell
        return [wait for file in files for wait in json.loads(file.read_text())[:-1]]

    def ours(self, name: str, uri: str, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """Milliseconds that each report of a sweep takes."""
        monkeypatch.setattr(runner, "train", self.timed(name, trainable.train))
        place = SweepFolder(self.folder / name)
        journal = Journal(place.journal)
        facts = {**self.facts, "sweep_id": name}
        publication = Publication(place.journal, sweep=name, sweep_id=name, experiment="bench", uri=uri)
        with publication:
            journal.append(Started(name, PLAN.as_dict(), facts))
            controller = Controller(journal, PLAN)
            display = Display(
                QUIET,
                controller.state,
                n_searched=PLAN.n_searched,
                n_trials=lambda: controller.n_trials,
                n_slots=1,
                budget_s=None,
            )
            runner.run_trials(place, controller, self.data, display, time_budget_s=None)
        journal.close()
        return self.waits(name)

    def theirs(self, name: str, uri: str) -> list[float]:
        """The same of Tune with MLflowLoggerCallback."""
        values = PLAN.experiments["lenet5-1d"].flat()
        configs = [{"key": ["s", "lenet5-1d", n], "values": values} for n in range(PLAN.trials_per_cell)]
        timed = self.timed(name, recipe)

        def train(config, *, data):
            timed(config["trial"], data=data)

        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(train, data=self.data), {"cpu": 1}),
            param_space={"trial": tune.grid_search(configs)},
            run_config=tune.RunConfig(
                name=name,
                storage_path=str(self.folder / "tune"),
                callbacks=[MLflowLoggerCallback(tracking_uri=uri, experiment_name=name)],
                verbose=0,
            ),
        )
        tuner.fit()
        return self.waits(name)


def recipe(config, *, data):
    """What tutorials do: report each epoch, and wait."""
    torch.set_num_threads(1)
    experiment = from_flat(config["values"])
    for epoch in Trial(experiment, ray.get(data[name_stored_features(experiment.features)])).epochs():
        tune.report(validation_metrics(epoch))


@pytest.fixture
def trials(tmp_path: Path) -> Iterator[Trials]:
    corpus, experiments = tmp_path / "synthetic", PLAN.experiments
    make_synthetic(corpus)
    with connect(None):
        clips = find_clips(PLAN.corpus_choice, corpus, QUIET)
        prepared, parts = prepare_sweep_corpus(
            PLAN, clips, corpus_dir=str(corpus), home=tmp_path, max_bad=1, console=QUIET
        )
        yield Trials(
            tmp_path,
            share_trial_data(prepared, experiments.values(), QUIET),
            SweepFacts(**describe_corpus(prepared, parts)).as_dict(),
        )


def test_a_report_costs_next_to_nothing(trials: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with (
        Tracker(tmp_path / "tracker") as server,
        proxied(server.uri, client_timeout_s=30) as slow,
        slow.broken("slow"),
    ):
        waits = {
            "MLflowLoggerCallback, tracker up": trials.theirs("callback", server.uri),
            "ours, tracker up": trials.ours("up", server.uri, monkeypatch),
            "ours, tracker slow (0.5 s an answer)": trials.ours("slow", slow.uri, monkeypatch),
            "ours, tracker dead": trials.ours("dead", f"http://127.0.0.1:{free_port()}", monkeypatch),
        }
    medians = {name: statistics.median(listed) for name, listed in waits.items()}
    print()
    for name, listed in waits.items():
        tail = statistics.quantiles(listed, n=20)[-1]
        print(f"{name:<36} median {medians[name]:8.2f} ms, 95 % {tail:8.2f} ms, {len(listed)} reports")
    theirs, *ours = medians.values()
    print(f"MLflowLoggerCallback / ours, slowest of the three: {theirs / max(ours):.0f}")
    assert max(ours) < 5
    assert theirs / max(ours) >= 30
