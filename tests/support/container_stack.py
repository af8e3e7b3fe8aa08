"""The stack of docker/compose.yaml, built, started and reached as its users reach it."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from signal import SIGKILL

from mlflow.tracking import MlflowClient

from tests.support import process_guard
from tests.support.command_runner import REPOSITORY, SWEEP, Command, free_port, running
from tests.support.small_disk import SmallDisk
from tests.support.sweep_results import journal_of

COMPOSE = REPOSITORY / "docker" / "compose.yaml"
ENGINE = REPOSITORY.parent / "shared" / "docker" / "engine"
PUBLISHED = ("MLFLOW_PORT", "RAY_PORT", "SERVING_PORT")
_USER = 1000


class EngineError(RuntimeError):
    """There is no Docker engine; the message says why."""


@contextlib.contextmanager
def engine() -> Iterator[None]:
    """A Docker engine while the block runs: one that is there, else that of the shared folder; it is in DOCKER_HOST.

    Raises:
        EngineError: none answers, and none can be started.
    """
    before = dict(os.environ)
    try:
        started = not answers() and _start_engine()
        try:
            yield
        finally:
            if started:
                _stop_engine()
    finally:
        os.environ.clear()
        os.environ.update(before)


def answers() -> bool:
    """Whether a Docker engine is there, in DOCKER_HOST or at its usual place."""
    return (
        shutil.which("docker") is not None and subprocess.run(["docker", "info"], capture_output=True).returncode == 0
    )


def engine_variables() -> dict[str, str]:
    """The environment of those who use the engine of the shared folder."""
    line = subprocess.run([ENGINE, "env"], check=True, capture_output=True, text=True).stdout
    return dict(pair.split("=", 1) for pair in line.removeprefix("export").split())


def _start_engine() -> bool:
    """Whether it was this that started it."""
    if not ENGINE.exists():
        raise EngineError(f"no Docker engine answers, and there is no {ENGINE} to start one")
    os.environ.update(engine_variables())
    if answers():
        return False
    process_guard.note(process_guard.ENGINE, f"{ENGINE} {_pid_file()}")
    # The daemon outlives this call and keeps what it inherits.
    started = subprocess.run([ENGINE, "start"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    if started.returncode:
        raise EngineError(f"no Docker engine answers, and {ENGINE} cannot start one: its log says why")
    return True


def _stop_engine() -> None:
    """Stop it and wait until it has gone: while it ends no other can start."""
    subprocess.run([ENGINE, "stop"], check=True)
    wait(lambda: not _pid_file().exists(), 60)


def _pid_file() -> Path:
    return Path(os.environ["DOCKER_HOST"].removeprefix("unix://")).with_name("pid")


class Stack:
    """The stack under a name of its own, with ports, volumes and settings of its own; it runs while entered.

    What its machines share, and the models, lie on this machine, the latter on a disk that can be filled.
    """

    def __init__(self, folder: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self._folder, self.project = folder, f"ser{os.getpid()}"
        self.shared, self.disk = folder / "shared", SmallDisk(folder / "artifacts", size=512 * 2**20)
        self.ports = {name: free_port() for name in PUBLISHED}
        given = {name: str(port) for name, port in self.ports.items()}
        given |= {"MODEL": "ser-synthetic", "TORCH_INDEX": os.environ.get("TORCH_INDEX", "https://pypi.org/simple")}
        given |= {"MLFLOW_ORIGINS": f"http://127.0.0.1:{self.ports['MLFLOW_PORT']}", **(settings or {})}
        self._env, self._override = folder / "env", folder / "override.json"
        example = (REPOSITORY / "docker" / ".env.example").read_text().splitlines()
        kept = [line for line in example if line.partition("=")[0] not in given]
        self._env.write_text("\n".join([*kept, *(f"{name}={value}" for name, value in given.items())]))

    def __enter__(self) -> "Stack":
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.disk)
            self.shared.mkdir()
            for place in (self.shared, self.disk.folder):
                os.chown(place, _USER, _USER)
            bound = {"shared": self.shared, "artifacts": self.disk.folder}
            volumes = {
                name: {"driver": "local", "driver_opts": {"type": "none", "o": "bind", "device": str(place)}}
                for name, place in bound.items()
            }
            self._override.write_text(json.dumps({"volumes": volumes}))
            process_guard.note(process_guard.STACK, f"{os.environ.get('DOCKER_HOST', '-')} {self.project}")
            self.build_s = self._timed("--profile", "serving", "build", "-q")
            stack.callback(self.compose, "--profile", "serving", "--profile", "sweep", "down", "-v", "-t", "5")
            self.up_s = self._timed("up", "-d")
            self.wait_until_ready()
            self._running = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def compose(self, *words: object) -> str:
        """What `docker compose` says."""
        return _run(*self._compose(), *words)

    def up(self, *words: object) -> None:
        """Start what is not there, and wait for all of it."""
        self.compose("up", "-d", *words)
        self.wait_until_ready()

    def wait_until_ready(self, *, timeout_s: float = 180) -> None:
        """Return when every container with a health check is well."""
        wait(lambda: all(self._state(one) in ("healthy", "") for one in self.containers()), timeout_s, self._look)

    def containers(self, service: str = "") -> list[str]:
        """Ids of those that run."""
        label = f"label=com.docker.compose.project={self.project}"
        of = ["--filter", f"label=com.docker.compose.service={service}"] if service else []
        return docker("ps", "-q", "--filter", label, *of).split()

    def kill(self, container: str) -> None:
        """kill -9 of its first process, as when a machine dies; after `docker kill` it would not come back."""
        os.kill(int(docker("inspect", "-f", "{{.State.Pid}}", container)), SIGKILL)

    def addresses(self, container: str) -> list[str]:
        """Of it in the networks of the stack."""
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
        return docker("inspect", "-f", form, container).split()

    def titles(self, container: str) -> str:
        """Command lines of its processes."""
        return docker("top", container, "-eo", "pid,args")

    def inside(self, container: str, *words: object) -> str:
        """What a command says there."""
        return docker("exec", container, *words)

    def secret(self, name: str) -> str:
        return self.inside(self.containers("ray-head")[0], "cat", f"/secrets/{name}")

    def url(self, port: str) -> str:
        return f"http://127.0.0.1:{self.ports[port]}"

    @property
    def laptop(self) -> dict[str, str]:
        """What a user's own machine must know to submit a sweep."""
        return {
            "RAY_ADDRESS": self.url("RAY_PORT"),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.secret("ray/token"),
        }

    def sweep(self, *words: object, folder: Path) -> AbstractContextManager[Command]:
        """`python tune/run_sweep.py ...` on this machine, whose Ray is the stack's."""
        folder.mkdir(exist_ok=True)
        return running(sys.executable, SWEEP, *words, folder=folder, variables=self.laptop)

    def service(self, *words: object, folder: Path) -> AbstractContextManager[Command]:
        """`docker compose run sweep ...`."""
        folder.mkdir(exist_ok=True)
        return running(*self._compose(), "run", "--rm", "-T", "sweep", *words, folder=folder)

    def journal(self, sweep: str) -> Path:
        return journal_of(self.shared / "ser", sweep)

    @contextlib.contextmanager
    def tracker(self) -> Iterator[MlflowClient]:
        """As the user `admin`."""
        os.environ |= {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": self.secret("tracker/password")}
        try:
            yield MlflowClient(self.url("MLFLOW_PORT"))
        finally:
            del os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]

    def _compose(self) -> Sequence[object]:
        tool = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
        return [*tool, "-p", self.project, "--env-file", self._env, "-f", COMPOSE, "-f", self._override]

    def _timed(self, *words: object) -> float:
        started = time.monotonic()
        self.compose(*words)
        return time.monotonic() - started

    def _state(self, container: str) -> str:
        return docker("inspect", "-f", "{{if .State.Health}}{{.State.Health.Status}}{{end}}", container)

    def _look(self) -> str:
        return self.compose("ps") + self.compose("logs", "--tail", "20")


def docker(*words: object) -> str:
    """What `docker` says."""
    return _run("docker", *words)


def wait(happened: Callable[[], object], timeout_s: float, look: Callable[[], str] = str) -> None:
    """Return when `happened` is true; fail with what `look` sees when the time is up."""
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, f"nothing happened in {timeout_s} s\n{look()}"
        time.sleep(0.5)


def _run(*words: object) -> str:
    ended = subprocess.run([str(word) for word in words], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert ended.returncode == 0, f"{words} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
    return ended.stdout.strip()
