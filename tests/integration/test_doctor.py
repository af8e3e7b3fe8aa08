"""`tune/doctor.py`: each problem is printed with its remedy, safe repairs are made, and nothing else is touched."""

import re
import shutil
import socket
import sqlite3
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from signal import SIGKILL

import pytest
import ray

from ser.features.store import FeatureStore
from ser.sweep.driver_process import DriverProcess, current_driver
from ser.sweep.journal import Journal, Started
from ser.training.checkpoint import FILE_NAME
from tests.support.command_runner import REPOSITORY, SWEEP, Finished, free_port, run, run_sweep, running
from tests.support.mlflow_server import Tracker
from tests.support.ray_cluster import Cluster
from tests.support.script_in_process import RunHere
from tests.support.sweep_results import FinishedSweep, check_runs, client_of, journal_of, n_reports, record_of, runs_of

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning"),
]

DOCTOR = REPOSITORY / "tune" / "doctor.py"


@pytest.fixture
def examine(run_here: RunHere) -> RunHere:
    """The script in this process."""
    return partial(run_here, DOCTOR)


def line(ended: Finished, start: str, *parts: str) -> str:
    """The remedy or repair under the one line with this start and these parts."""
    assert "Traceback" not in ended.seen
    lines = ended.stdout.splitlines()
    starts = [re.sub(" +", " ", line) for line in lines]
    (at,) = [n for n, text in enumerate(starts) if text.startswith(start) and all(part in text for part in parts)]
    following = lines[at + 1].strip() if at + 1 < len(lines) else ""
    return following if following.startswith(("remedy: ", "fixed: ", "could not")) else ""


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def statuses(folder: Path) -> list[str]:
    return [run.info.status for run in runs_of(client_of(folder), "small")]


def test_a_killed_sweep_is_reported_repaired_and_still_completes(
    tmp_path: Path, plan_file: Path, corpus_dir: Path, examine: RunHere
) -> None:
    words = ["--plan", plan_file, "--corpus-dir", corpus_dir, "--name", "small", "--trials-per-cell", "1"]
    journal = journal_of(tmp_path / ".ser", "small")
    with running(sys.executable, SWEEP, *words, folder=tmp_path) as command:
        command.wait_until(lambda: n_reports(tmp_path, "small") >= 6)
        command.wait_until(lambda: (tmp_path / "mlflow.db").exists() and statuses(tmp_path).count("RUNNING") >= 2)
        driver = DriverProcess(current_driver().user, current_driver().host, command.pid)
        alive = examine(*words[:4], "--fix", folder=tmp_path)
        command.signal(SIGKILL)
        assert command.end().code == -SIGKILL
    assert line(alive, "ok journals", f"small: running now, driver {driver}") == ""
    assert line(alive, "ok open runs", f"by {driver}", "still running") == ""
    n_open = statuses(tmp_path).count("RUNNING")
    assert n_open >= 2, "a living driver's runs are left alone"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b"00000000 {torn")
    ended_key = next(key for key, trial in record_of(tmp_path, "small").trials.items() if trial.is_terminal)
    (state,) = (journal.parent / "trials" / "run-001").glob(f"{ended_key.cell}-{ended_key.number:03d}")
    (state / "checkpoint_000000").mkdir(exist_ok=True)
    (state / "checkpoint_000000" / FILE_NAME).write_bytes(b"x" * 5000)

    ill = examine(*words[:4], folder=tmp_path)
    assert ill.code == 0, ill.seen
    resume = "remedy: python tune/run_sweep.py --resume small"
    assert line(ill, "warning journals", f"small: its driver process died ({driver})") == resume
    assert "--fix" in line(ill, "warning journals", "its last line is torn")
    assert line(ill, "warning open runs", f"small: {n_open} open, by {driver}", "has ended").startswith(resume)
    assert "--fix" in line(ill, "warning checkpoints", "1 checkpoints", "5 kB")
    assert re.fullmatch(r"0 problems, \d warnings; --fix repairs 3 of them", ill.stdout.splitlines()[-1])
    assert statuses(tmp_path).count("RUNNING") == n_open, "looking changes nothing"

    fixed = examine(*words[:4], "--fix", folder=tmp_path)
    assert fixed.code == 0, fixed.seen
    assert line(fixed, "warning open runs").startswith(
        f"fixed: closed {n_open} runs of small with the outcomes of the journal: "
    )
    assert journal.read_bytes() == whole
    assert not (state / "checkpoint_000000" / FILE_NAME).exists()
    assert "RUNNING" not in statuses(tmp_path)
    assert re.fullmatch(r"0 problems, \d warnings", fixed.stdout.splitlines()[-1])

    ended = run_sweep("--resume", "small", folder=tmp_path)
    assert ended.code == 0, ended.seen
    runs = check_runs(client_of(tmp_path), journal)
    assert runs["parent"].info.status == "FINISHED"
    assert runs["parent"].data.tags["ser.driver"] == record_of(tmp_path, "small").facts.driver != str(driver)
    well = examine(*words[:4], folder=tmp_path)
    assert well.code == 0, well.seen
    line(well, "ok journals", "1 of 1 sweeps are finished")
    line(well, "ok open runs", "none")
    line(well, "ok checkpoints", "none of an ended trial")


def test_runs_of_drivers_elsewhere_are_listed_with_their_users(
    tmp_path: Path, finished: FinishedSweep, examine: RunHere
) -> None:
    """A copy of the tracker, in which somebody else opened two sweeps again."""
    shutil.copy(finished.folder / "mlflow.db", tmp_path)
    client = client_of(tmp_path)
    (parent,) = [run for run in runs_of(client, "small") if run.data.tags["ser.trial"] == "parent"]
    client.set_tag(parent.info.run_id, "ser.driver", "ann@far-away pid 42")
    client.update_run(parent.info.run_id, status="RUNNING")
    here = client.create_run(parent.info.experiment_id, tags={"ser.sweep": "other", "ser.sweep_id": "7"})
    for words in ((), ("--fix",)):
        ended = examine("--plan", "demo", *words, folder=tmp_path)
        assert ended.code == 0, ended.seen
        assert "ask ann on far-away" in line(ended, "warning open runs", "small: 1 open, by ann@far-away pid 42")
        assert "home folder" in line(ended, "warning open runs", "other: 1 open, by an unknown driver process")
    for run_id in (parent.info.run_id, here.info.run_id):
        assert client.get_run(run_id).info.status == "RUNNING"


def test_runs_that_a_late_request_reopened_are_closed_with_their_outcomes(
    tmp_path: Path, finished: FinishedSweep, examine: RunHere
) -> None:
    """A copy of a finished sweep, whose driver process has ended; its runs are shown as running."""
    shutil.copy(finished.folder / "mlflow.db", tmp_path)
    shutil.copytree(finished.folder / ".ser", tmp_path / ".ser")
    client = client_of(tmp_path)
    before = {run.info.run_id: run.info for run in runs_of(client, "small")}
    for run_id in before:
        client.update_run(run_id, status="RUNNING")
    ill = examine("--plan", "demo", folder=tmp_path)
    remedy = line(ill, "warning open runs", f"small: {len(before)} open", "has ended")
    assert remedy == "remedy: no process writes them any more: --fix closes them with the outcomes of the journal"
    fixed = examine("--plan", "demo", "--fix", folder=tmp_path)
    assert "FINISHED" in line(fixed, "warning open runs"), fixed.seen
    after = {run.info.run_id: run.info for run in runs_of(client, "small")}
    assert {run_id: (info.status, info.end_time) for run_id, info in after.items()} == {
        run_id: (info.status, info.end_time) for run_id, info in before.items()
    }
    check_runs(client, journal_of(tmp_path / ".ser", "small"))


def test_the_dead_tracker_of_an_earlier_sweep_keeps_no_other_from_its_start(tmp_path: Path, examine: RunHere) -> None:
    tracker = f"http://127.0.0.1:{free_port()}"
    journal = Journal(journal_of(tmp_path / ".ser", "old"))
    journal.append(Started("old", {}, {"tracking_uri": tracker, "sweep_id": "1"}))
    journal.close()
    ended = examine("--plan", "demo", folder=tmp_path)
    assert ended.code == 0, ended.seen
    assert "mlflow server" in line(ended, "warning tracker", f"nothing answers at {tracker}", "only earlier sweeps")
    assert examine("--plan", "demo", "--tracking-uri", tracker, folder=tmp_path).code == 1, "the next one needs it"


def test_a_healthy_home_as_its_user_sees_it(finished: FinishedSweep, corpus_dir: Path) -> None:
    before = sorted(path for path in finished.folder.rglob("*") if path.suffix != ".txt")
    words = ["--plan", "demo", "--corpus-dir", corpus_dir]
    ended = run(sys.executable, DOCTOR, *words, folder=finished.folder)
    assert ended.code == 0, ended.seen
    assert ended.stderr == ""
    line(ended, "ok disk", ".ser: ", " free")
    line(ended, "ok features", "360 entries", "none damaged")
    line(ended, "ok journals", "1 of 1 sweeps are finished")
    line(ended, "ok tracker", "mlflow.db: a database of MLflow 3")
    line(ended, "ok open runs", "none")
    line(ended, "ok Ray", "no address given")
    assert re.search(r"^0 problems, \d warnings$", ended.stdout, re.MULTILINE)
    assert before == sorted(path for path in finished.folder.rglob("*") if path.suffix != ".txt")


def test_an_empty_folder_is_healthy_and_stays_empty(tmp_path: Path, examine: RunHere) -> None:
    ended = examine("--plan", "demo", folder=tmp_path)
    assert ended.code == 0, ended.seen
    line(ended, "ok tracker", "the first sweep creates it")
    assert not list(tmp_path.iterdir())


def test_what_is_damaged_is_named_and_only_what_can_be_computed_again_is_removed(
    tmp_path: Path, finished: FinishedSweep, examine: RunHere
) -> None:
    shutil.copytree(finished.folder / ".ser", tmp_path / ".ser")
    journal = journal_of(tmp_path / ".ser", "small")
    damaged_journal = journal.read_bytes().replace(b'"epoch":1', b'"epoch":9', 1)
    journal.write_bytes(damaged_journal)
    store = FeatureStore(tmp_path / ".ser" / "features")
    store.path(next(store.keys())).write_bytes(b"damaged")
    ended = examine("--plan", "demo", "--fix", folder=tmp_path)
    assert ended.code == 0, ended.seen
    assert "restore a copy" in line(ended, "warning journals", "small: ", "is damaged at byte ")
    assert line(ended, "warning features", "1 of 360 entries") == "fixed: removed 1 damaged entries"
    assert len(list(store.keys())) == 359
    assert journal.read_bytes() == damaged_journal


def test_an_entry_that_cannot_be_read_is_a_problem_and_hinders_no_other_check(tmp_path: Path, examine: RunHere) -> None:
    path = FeatureStore(Path(".ser", "features")).path(FeatureStore.key("sound", "0" * 64))
    (tmp_path / path).mkdir(parents=True)
    ended = examine("--plan", "demo", folder=tmp_path)
    assert ended.code == 1, ended.seen
    remedy = line(ended, "problem features", f"the feature store cannot read {path} (Is a directory)")
    assert remedy == "remedy: give access to it, or remove it, and its features are computed again"
    line(ended, "ok journals")


def test_a_dead_tracker_and_a_dead_cluster_are_problems_with_remedies(tmp_path: Path, examine: RunHere) -> None:
    tracker, address = f"http://127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    words = ["--plan", "demo", "--tracking-uri", tracker, "--ray-address", address]
    ended = examine(*words, folder=tmp_path)
    assert ended.code == 1, ended.seen
    assert "mlflow server" in line(ended, "problem tracker", f"nothing answers at {tracker}")
    assert "ray start --head" in line(ended, "problem Ray", f"no Ray cluster answers at '{address}'")
    assert ended.stdout.splitlines()[-1].startswith("2 problems, ")
    assert not ray.is_initialized()


def test_the_version_of_a_server_is_reported_and_other_servers_are_refused(tmp_path: Path, examine: RunHere) -> None:
    with Tracker(tmp_path / "tracker") as tracker:
        ended = examine("--plan", "demo", "--tracking-uri", tracker.uri, folder=tmp_path)
    assert ended.code == 0, ended.seen
    line(ended, "ok tracker", f"{tracker.uri}: MLflow 3.", "as here")
    line(ended, "ok open runs", "none")
    port = free_port()
    with running(sys.executable, "-m", "http.server", port, "--bind", "127.0.0.1", folder=tmp_path) as other:
        other.wait_until(lambda: listens(port))
        ended = examine("--plan", "demo", "--tracking-uri", f"http://127.0.0.1:{port}", folder=tmp_path)
    assert ended.code == 1, ended.seen
    assert "--tracking-uri" in line(ended, "problem tracker", "is no MLflow server (HTTP 404 for /version)")


def test_a_database_of_another_version_is_a_problem(tmp_path: Path, finished: FinishedSweep, examine: RunHere) -> None:
    shutil.copy(finished.folder / "mlflow.db", tmp_path)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'of the past'")
    ended = examine("--plan", "demo", folder=tmp_path)
    assert ended.code == 1, ended.seen
    assert "mlflow db upgrade sqlite:///" in line(ended, "problem tracker", "another version of MLflow")


def test_a_cluster_is_described(tmp_path: Path) -> None:
    with Cluster(tmp_path) as cluster:
        ended = run(sys.executable, DOCTOR, "--plan", "demo", "--ray-address", cluster.address, folder=tmp_path)
    assert ended.code == 0, ended.seen
    line(ended, "ok Ray", f"{cluster.address}: Ray 2.", "2 machines, 2 CPUs, 0 GPUs")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--plan", "qick"], ["error: unknown plan 'qick'", "did you mean 'quick'"]),
        (["--plan", "none.toml"], ["error: unknown plan 'none.toml'"]),
        (["--corpus", "cremed"], ["error: unknown corpus 'cremed'", "did you mean 'cremad'"]),
        (["--hoem", "x"], ["unrecognized arguments: --hoem x"]),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("--") else None,
)
def test_wrong_arguments_are_refused_in_one_line(
    tmp_path: Path, words: list[str], parts: list[str], examine: RunHere
) -> None:
    ended = examine(*words, folder=tmp_path)
    assert ended.code == 2, ended.seen
    assert "Traceback" not in ended.seen
    for part in parts:
        assert part in ended.seen
