"""A sample of what `support/soak.py` does at length: a sweep that is broken in every way ends as one that never was.

The seeds put the moments so that all faults hit before a short sweep is at its end, on a fast machine too.
"""

from pathlib import Path
from random import Random

import pytest
from mlflow.entities import LoggedModelStatus

from ser.experiment.experiment import from_flat
from ser.tracking.models import find_model, log_model
from ser.tracking.runs import Runs
from tests.support.fault_environment import Stage, staged, write_plan
from tests.support.injected_faults import FAULTS
from tests.support.postgres_server import postgres_is_installed
from tests.support.small_disk import mounting_is_permitted
from tests.support.sweep_checks import Tally, check_end, check_equal, check_repeated, continued, interrupted, tally
from tests.support.sweep_results import FinishedSweep
from tests.support.sweep_under_faults import endure

pytestmark = pytest.mark.integration


@pytest.fixture
def one(plan_file: Path, corpus_dir: Path) -> list[object]:
    """The command line of the finished sweep."""
    return ["--plan", plan_file, "--corpus-dir", corpus_dir]


@pytest.fixture
def two(tmp_path: Path, corpus_dir: Path) -> list[object]:
    """The command line of a shorter one, two trials at a time."""
    return ["--plan", write_plan(tmp_path / "two.toml", at_a_time=2, trials_per_cell=2), "--corpus-dir", corpus_dir]


def check_whole(stage: Stage) -> None:
    check_end(stage.client, stage.journal)
    counted = tally(stage.client, stage.journal)
    assert counted == Tally(runs=len(stage.record().trials) + 1)


def test_a_driver_stopped_in_five_ways_ends_as_if_it_had_never_been(
    tmp_path: Path, one: list[object], finished: FinishedSweep
) -> None:
    names = ["driver: kill -9", "driver: Ctrl-C twice", "driver: SIGTERM", "driver: Ctrl-C"]
    names += ["the only raylet: kill -9"]
    parts = ["postgres"] if postgres_is_installed() else []
    with staged(tmp_path / "stage", one, rng=Random(227), parts=parts) as stage:
        assert endure(stage, [FAULTS[name] for name in names], most_reports=3) == len(names)
        check_whole(stage)
        check_equal(stage.journal, finished.journal)
        assert any(continued(stage.journal, key) for key in interrupted(stage.record(), stage.moments))


def test_a_sweep_goes_on_without_its_workers_its_server_and_its_database(tmp_path: Path, two: list[object]) -> None:
    if not postgres_is_installed():
        pytest.skip("PostgreSQL is not installed")
    names = ["a trial's worker: kill -9", "MLflow server: kill -9, back soon", "PostgreSQL: crash and restart"]
    with staged(tmp_path / "stage", two, rng=Random(361), parts=["postgres"]) as stage:
        assert endure(stage, [FAULTS[name] for name in names], most_reports=2) == len(names)
        check_whole(stage)
        completed = {key for key, trial in stage.record().trials.items() if trial.outcome == "completed"}
        untouched = completed.difference(interrupted(stage.record(), stage.moments))
        check_repeated(stage.client, stage.journal, min(untouched or completed))


def test_a_tracker_that_answers_badly_gets_everything_once(tmp_path: Path, two: list[object]) -> None:
    names = ["tracker answers 500", "tracker obeys too late", "tracker hangs", "tracker obeys and never answers"]
    with staged(tmp_path / "stage", two, rng=Random(15), parts=["proxy"]) as stage:
        assert endure(stage, [FAULTS[name] for name in names], most_reports=0) == len(names)
        check_whole(stage)


def test_a_sweep_goes_on_when_one_of_two_machines_dies(tmp_path: Path, two: list[object]) -> None:
    with staged(tmp_path / "stage", two, rng=Random(5), parts=["cluster"]) as stage:
        assert endure(stage, [FAULTS["one of two raylets: kill -9"]]) == 1
        check_whole(stage)


def test_a_sweep_whose_disk_is_full_stops_with_a_sentence_and_goes_on_when_it_is_free(
    tmp_path: Path, one: list[object], finished: FinishedSweep
) -> None:
    if not mounting_is_permitted(tmp_path / "mounted"):
        pytest.skip("a small disk cannot be mounted here")
    with staged(tmp_path / "stage", one, rng=Random(6), parts=["disk"]) as stage:
        assert endure(stage, [FAULTS["disk of the journal full"]]) == 1
        check_whole(stage)
        check_equal(stage.journal, finished.journal)


def test_a_model_whose_logging_was_cut_off_before_its_end_is_finished(finished: FinishedSweep) -> None:
    (key, trial), *_ = [item for item in finished.record.trials.items() if item[1].outcome == "completed"]
    assert trial.ended is not None
    sweep_id = finished.record.facts.sweep_id
    runs = Runs(f"sqlite:///{finished.folder}/mlflow.db", experiment="synthetic", sweep=key.sweep, sweep_id=sweep_id)
    run_id = runs.get_run_id(key)
    begun = find_model(runs.client, runs.experiment_id, run_id)
    assert begun is not None
    finished.client.finalize_logged_model(begun.model_id, LoggedModelStatus.PENDING)
    experiment = from_flat(trial.asked.values)
    again = log_model(runs, run_id, name=key.cell, bundle=Path(trial.ended.bundle), experiment=experiment)
    assert again == begun.model_id
    assert [output.model_id for output in finished.client.get_run(run_id).outputs.model_outputs] == [begun.model_id]
    assert finished.client.get_logged_model(begun.model_id).status == LoggedModelStatus.READY
