"""Commands as a user runs them: real processes, each in a session of its own, stopped by their own id."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, Signals

from tests.support.process_guard import SESSION, note

REPOSITORY = Path(__file__).resolve().parents[2]
SWEEP = REPOSITORY / "tune" / "run_sweep.py"
EXTRACT = REPOSITORY / "tune" / "extract_features.py"
MLFLOW = Path(sys.executable).with_name("mlflow")

FROM_OUTSIDE = ("RAY_ADDRESS", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PYTHONPATH", "SER_HOME", "SER_DATA")


@dataclass(frozen=True)
class Finished:
    """How a command ended, and what its user saw."""

    code: int
    stdout: str
    stderr: str

    @property
    def seen(self) -> str:
        return self.stdout + self.stderr


class Command:
    """A command under way; what it writes is in two files in `folder`."""

    def __init__(self, *words: object, folder: Path, variables: Mapping[str, str] | None = None) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in FROM_OUTSIDE}
        # As in an activated environment: `mlflow models serve` looks for its web server there.
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
        self._stdout, self._stderr = folder / "stdout.txt", folder / "stderr.txt"
        with self._stdout.open("w") as out, self._stderr.open("w") as error:
            self._process = subprocess.Popen(
                [str(word) for word in words],
                cwd=folder,
                env={**environment, "OMP_NUM_THREADS": "1", **(variables or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=error,
                start_new_session=True,
            )
        note(SESSION, self._process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def text(self) -> str:
        """What it has written so far."""
        return self._stdout.read_text() + self._stderr.read_text()

    def wait_until(self, happened: Callable[[], object], *, timeout_s: float = 180) -> None:
        """Return when `happened` is true; fail if the command ends or the time is up before."""
        deadline = time.monotonic() + timeout_s
        while not happened():
            assert not self.has_ended, f"ended too soon:\n{self.text}"
            assert time.monotonic() < deadline, f"nothing happened in {timeout_s} s:\n{self.text}"
            time.sleep(0.1)

    def end(self, *, timeout_s: float = 300) -> Finished:
        """How it ends by itself."""
        code = self._process.wait(timeout_s)
        return Finished(code, self._stdout.read_text(), self._stderr.read_text())

    def signal(self, number: Signals, *, everyone: bool = False) -> None:
        """To the command alone, as `kill` does; or to `everyone` of its group too, as a terminal does on Ctrl-C."""
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if everyone else os.kill)(self._process.pid, number)

    def kill(self) -> None:
        """End the command and all that it started, at once."""
        self.signal(SIGKILL, everyone=True)
        self._process.wait(30)


@contextlib.contextmanager
def running(*words: object, folder: Path, variables: Mapping[str, str] | None = None) -> Iterator[Command]:
    """A command that does not outlive the block."""
    command = Command(*words, folder=folder, variables=variables)
    try:
        yield command
    finally:
        command.kill()


def run(*words: object, folder: Path, timeout_s: float = 300, variables: Mapping[str, str] | None = None) -> Finished:
    """Run a command to its end."""
    with running(*words, folder=folder, variables=variables) as command:
        return command.end(timeout_s=timeout_s)


def run_sweep(
    *words: object, folder: Path, timeout_s: float = 300, variables: Mapping[str, str] | None = None
) -> Finished:
    """`python tune/run_sweep.py ...` in `folder`."""
    return run(sys.executable, SWEEP, *words, folder=folder, timeout_s=timeout_s, variables=variables)


def free_port() -> int:
    """A port of the loopback interface that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
