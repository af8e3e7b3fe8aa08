"""Sweeps submitted to a Ray cluster as jobs, over HTTP and with its token, from a folder without corpus or tracker."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGTERM

import pytest

from ser.sweep.driver_process import find_git_commit
from ser.sweep.journal import Reported, read_events
from ser.sweep.state import replay
from tests.support.command_runner import SWEEP, Command, Finished, free_port, run_sweep, running
from tests.support.mlflow_server import Tracker
from tests.support.ray_cluster import RAY
from tests.support.sweep_results import check_runs, journal_of

pytestmark = pytest.mark.integration

TOKEN = "a-token-of-at-least-thirty-two-characters"


@dataclass(frozen=True)
class Jobs:
    """A Ray head of this machine that takes jobs."""

    address: str
    head: Command
    home: Path
    tracker: Tracker

    def submit(self, *words: object, folder: Path) -> contextlib.AbstractContextManager[Command]:
        """`python tune/run_sweep.py` on a laptop, at work."""
        folder.mkdir(exist_ok=True)
        given = [sys.executable, SWEEP, *words, "--ray-address", self.address]
        return running(*given, folder=folder, variables={"RAY_AUTH_TOKEN": TOKEN})

    def n_reports(self, sweep: str) -> int:
        path = journal_of(self.home, sweep)
        return sum(isinstance(event, Reported) for _, event in read_events(path)) if path.exists() else 0


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory, corpus_dir: Path) -> Iterator[Jobs]:
    folder = tmp_path_factory.mktemp("cluster")
    with contextlib.ExitStack() as stack:
        tracker = stack.enter_context(Tracker(folder / "tracker"))
        # Sockets lie in it: its path must be short.
        session = stack.enter_context(tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
        place = [f"--port={free_port()}", "--node-ip-address=127.0.0.1", f"--temp-dir={session}"]
        port, n_cpus = free_port(), os.cpu_count()
        dashboard = [f"--dashboard-port={port}", f"--dashboard-agent-listen-port={free_port()}"]
        words = ["start", "--head", "--block", *place, *dashboard, f"--num-cpus={n_cpus}", "--disable-usage-stats"]
        variables = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": TOKEN,
            "RAY_JOB_STOP_WAIT_TIME_S": "60",
            "MLFLOW_TRACKING_URI": tracker.uri,
            "SER_HOME": str(folder / "home"),
            "SER_DATA": str(corpus_dir.parent),
        }
        head = stack.enter_context(running(RAY, *words, folder=folder, variables=variables))
        head.wait_until(lambda: "Ray runtime started" in head.text)
        yield Jobs(f"http://127.0.0.1:{port}", head, folder / "home", tracker)


@pytest.fixture(scope="module")
def long_plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One trial that outlives what is done to it."""
    path = tmp_path_factory.mktemp("plan") / "long.toml"
    path.write_text(
        'corpus = "synthetic"\ncells = ["lenet5-2d"]\ntrials_per_cell = 1\nmax_epochs = 25\ngrace_epochs = 25\n'
        '[settings]\n"training.patience" = 25\n'
        '"training.precision" = "float32"\n"training.memory_format" = "contiguous"\n'
    )
    return path


def test_a_submitted_sweep_ends_as_at_home(jobs: Jobs, tmp_path: Path, plan_file: Path) -> None:
    """Its code and plan come from here, its corpus and tracker from there, and nothing of it stays here."""
    words = ["--plan", plan_file, "--name", "sent", "--cells", "lenet5-1d", "--max-epochs", "2", "training.lr=0.002"]
    with jobs.submit(*words, folder=tmp_path) as command:
        ended = command.end()
    assert (ended.code, ended.stderr) == (0, ""), ended.seen
    assert "\nSweep sent: 3 trials: 3 completed\n" in ended.stdout
    assert ended.stdout.count("lenet5-1d 001 ") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"stdout.txt", "stderr.txt"}
    runs = check_runs(jobs.tracker.client(), journal_of(jobs.home, "sent"))
    assert f"--name=sent --ray-address={jobs.address} training.lr=0.002" in runs["parent"].data.tags["ser.command"]
    assert runs["parent"].data.tags["ser.git_commit"] == find_git_commit()


def test_a_sweep_is_followed_by_many_stopped_by_one_and_resumed(jobs: Jobs, tmp_path: Path, long_plan: Path) -> None:
    with jobs.submit("--plan", long_plan, "--name", "long", folder=tmp_path / "first") as first:
        first.wait_until(lambda: "Running entrypoint" in first.text)
        with jobs.submit("--resume", "long", folder=tmp_path / "second") as second:
            second.wait_until(lambda: "MFCC + SVM" in second.text and jobs.n_reports("long"))
            assert "Sweep long runs there already, as job long-" in second.text
            second.signal(SIGTERM)
            second.wait_until(lambda: "Stopping the sweep on the cluster" in second.text)
            second.signal(SIGTERM)
            first.signal(SIGINT, everyone=True)
            left = second.end()
        stopped = first.end()
    resume = f"python tune/run_sweep.py --resume long --ray-address {jobs.address}\n"
    assert (left.code, left.stderr) == (130, "")
    assert (
        f"No longer waiting. The cluster is still stopping the sweep; once it has stopped, resume with: {resume}"
        in left.stdout
    )
    assert (stopped.code, stopped.stderr) == (130, "")
    assert f"Stopped before the end. Resume with: {resume}" in stopped.stdout
    assert f"Stopped on the cluster. Resume with: {resume}" in stopped.stdout
    assert [trial.outcome for trial in replay(journal_of(jobs.home, "long")).trials.values()] == ["killed"]
    n_before = jobs.n_reports("long")
    with jobs.submit("--resume", "long", folder=tmp_path / "third") as third:
        ended = third.end()
    assert ended.code == 0, ended.seen
    assert jobs.n_reports("long") > n_before
    check_runs(jobs.tracker.client(), journal_of(jobs.home, "long"))


def refusal(ended: Finished) -> str:
    assert (ended.code, ended.stderr) == (2, ""), ended.seen
    *before, last = ended.stdout.splitlines()
    assert not [line for line in before if "Submitting" in line or "Traceback" in line]
    return last


def test_what_the_cluster_refuses_is_its_exit_code(jobs: Jobs, tmp_path: Path) -> None:
    with jobs.submit("--resume", "none", folder=tmp_path) as command:
        ended = command.end()
    assert ended.code == 2, ended.seen
    assert ended.stdout.splitlines()[-1].startswith(f"error: there is no journal at {jobs.home}/sweeps/none")


@pytest.mark.parametrize("token", ["", "another-token-of-thirty-two-characters"], ids=["none", "wrong"])
def test_a_cluster_wants_its_token(jobs: Jobs, tmp_path: Path, token: str) -> None:
    variables = {"RAY_AUTH_TOKEN": token, "HOME": str(tmp_path)}
    ended = run_sweep("--plan", "demo", "--ray-address", jobs.address, folder=tmp_path, variables=variables)
    assert f"the Ray cluster at '{jobs.address}' requires its token: set RAY_AUTH_TOKEN" in refusal(ended)


def test_what_is_no_dashboard_is_refused(jobs: Jobs, tmp_path: Path) -> None:
    absent = f"http://127.0.0.1:{free_port()}"
    for address, sentence in (
        (jobs.tracker.uri, f"the server at '{jobs.tracker.uri}' is no Ray dashboard"),
        (absent, f"nothing answers at '{absent}'"),
    ):
        ended = run_sweep("--plan", "demo", folder=tmp_path, variables={"RAY_ADDRESS": address})
        assert sentence in refusal(ended)


def test_a_head_that_goes_is_waited_for(jobs: Jobs, tmp_path: Path) -> None:
    """The last of these tests: nothing comes back here."""
    with jobs.submit("--plan", "demo", "--dry-run", folder=tmp_path) as command:
        command.wait_until(lambda: "Corpus synthetic in" in command.text)
        jobs.head.kill()
        command.wait_until(lambda: "The cluster does not answer" in command.text)
        command.signal(SIGINT)
        ended = command.end()
    assert (ended.code, ended.stderr) == (5, ""), ended.seen
    assert "The sweep's job could not be stopped (ConnectionError). Once the cluster answers" in ended.stdout
