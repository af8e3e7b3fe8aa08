"""A sample of what `soak.py` does at length: a sweep that is broken in every way ends as one that never was."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from mlflow.entities import LoggedModelStatus

from disks import mounting_is_permitted
from endurance import endure
from faults import FAULTS
from postgres import postgres_is_installed
from processes import run_sweep
from ser.config import from_flat
from ser.tracking.models import find_model, log_model
from ser.tracking.runs import Runs
from stages import NAME, Stage, staged, write_plan
from tracked import FinishedSweep, journal_of
from verdicts import Tally, check_end, check_equal, check_repeated, continued, interrupted, tally

pytestmark = pytest.mark.integration

Words = Callable[[int], list[object]]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory, corpus_dir: Path) -> Words:
    """The command line of a sweep of so many trials at a time."""
    folder = tmp_path_factory.mktemp("plans")

    def of(at_a_time: int) -> list[object]:
        plan = write_plan(folder / f"{at_a_time}.toml", trials_per_cell=3, max_epochs=8, at_a_time=at_a_time)
        return ["--plan", plan, "--corpus-dir", corpus_dir]

    return of


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, words: Words) -> Path:
    """The journal of the sweep to which nothing happens, one trial at a time."""
    folder = tmp_path_factory.mktemp("undisturbed")
    ended = run_sweep(*words(1), "--name", NAME, folder=folder)
    assert ended.code == 0, ended.seen
    return journal_of(folder / ".ser", NAME)


def check_whole(stage: Stage) -> None:
    check_end(stage.client, stage.journal)
    counted = tally(stage.client, stage.journal)
    assert counted == Tally(runs=len(stage.record().trials) + 1)


def test_a_driver_stopped_in_four_ways_ends_as_if_it_had_never_been(
    tmp_path: Path, words: Words, undisturbed: Path
) -> None:
    if not postgres_is_installed():
        pytest.skip("PostgreSQL is not installed")
    names = ["driver: kill -9", "driver: Ctrl-C twice", "driver: SIGTERM", "driver: Ctrl-C"]
    with staged(tmp_path / "stage", words(1), rng=Random(1), parts=["postgres"]) as stage:
        assert endure(stage, [FAULTS[name] for name in names]) == len(names)
        check_whole(stage)
        check_equal(stage.journal, undisturbed)
        assert any(continued(stage.journal, key) for key in interrupted(stage.record(), stage.moments))


def test_a_sweep_goes_on_without_its_workers_its_server_and_its_database(tmp_path: Path, words: Words) -> None:
    if not postgres_is_installed():
        pytest.skip("PostgreSQL is not installed")
    names = ["a trial's worker: kill -9", "MLflow server: kill -9, back soon", "PostgreSQL: crash and restart"]
    with staged(tmp_path / "stage", words(2), rng=Random(2), parts=["postgres"]) as stage:
        assert endure(stage, [FAULTS[name] for name in names], most_reports=3) == len(names)
        check_whole(stage)
        completed = {key for key, trial in stage.record().trials.items() if trial.outcome == "completed"}
        untouched = completed.difference(interrupted(stage.record(), stage.moments))
        check_repeated(stage.client, stage.journal, min(untouched or completed))


@pytest.mark.parametrize(
    "names",
    [["tracker answers 500", "tracker obeys too late"], ["tracker hangs", "tracker obeys and never answers"]],
    ids=" then ".join,
)
def test_a_tracker_that_answers_badly_gets_everything_once(tmp_path: Path, words: Words, names: list[str]) -> None:
    with staged(tmp_path / "stage", words(1), rng=Random(3), parts=["proxy"]) as stage:
        assert endure(stage, [FAULTS[name] for name in names], most_reports=3) == len(names)
        check_whole(stage)


def test_a_sweep_whose_ray_dies_says_so_and_can_be_resumed(tmp_path: Path, words: Words, undisturbed: Path) -> None:
    with staged(tmp_path / "stage", words(1), rng=Random(4)) as stage:
        assert endure(stage, [FAULTS["the only raylet: kill -9"]]) == 1
        check_whole(stage)
        check_equal(stage.journal, undisturbed)


def test_a_sweep_goes_on_when_one_of_two_machines_dies(tmp_path: Path, words: Words) -> None:
    with staged(tmp_path / "stage", words(2), rng=Random(5), parts=["cluster"]) as stage:
        assert endure(stage, [FAULTS["one of two raylets: kill -9"]]) == 1
        check_whole(stage)


def test_a_sweep_whose_disk_is_full_stops_with_a_sentence_and_goes_on_when_it_is_free(
    tmp_path: Path, words: Words, undisturbed: Path
) -> None:
    if not mounting_is_permitted(tmp_path / "mounted"):
        pytest.skip("a small disk cannot be mounted here")
    with staged(tmp_path / "stage", words(1), rng=Random(6), parts=["disk"]) as stage:
        assert endure(stage, [FAULTS["disk of the journal full"]]) == 1
        check_whole(stage)
        check_equal(stage.journal, undisturbed)


def test_a_model_whose_logging_was_cut_off_before_its_end_is_finished(finished: FinishedSweep) -> None:
    (key, trial), *_ = [item for item in finished.record.trials.items() if item[1].outcome == "completed"]
    assert trial.ended is not None
    sweep_id = str(finished.record.facts["sweep_id"])
    runs = Runs(f"sqlite:///{finished.folder}/mlflow.db", experiment="synthetic", sweep=key.sweep, sweep_id=sweep_id)
    run_id = runs.id_of(key)
    begun = find_model(runs.client, runs.experiment_id, run_id)
    assert begun is not None
    finished.client.finalize_logged_model(begun.model_id, LoggedModelStatus.PENDING)
    experiment = from_flat(trial.asked.values)
    again = log_model(runs, run_id, name=key.cell, bundle=Path(trial.ended.bundle), experiment=experiment)
    assert again == begun.model_id
    assert [output.model_id for output in finished.client.get_run(run_id).outputs.model_outputs] == [begun.model_id]
    assert finished.client.get_logged_model(begun.model_id).status == LoggedModelStatus.READY
