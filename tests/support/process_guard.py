"""A process beside pytest that ends what a run leaves behind, however the run ends, kill -9 included.

tests/conftest.py starts it. Sessions of commands, mounts, stacks of containers and the Docker engine are entered with
`note`; other processes are found by a variable that all those of the run inherit.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from signal import SIGKILL

from tests.support.process_tree import environment_of, lives, process_ids, session_of, start_of, with_descendants

REPOSITORY = Path(__file__).resolve().parents[2]
VARIABLE = "SER_TEST_RUN"
SESSION, MOUNT, STACK, ENGINE = "session", "mount", "stack", "engine"
# Processes that were told to end get so long to do it.
_GRACE_S = 5.0
_MOST_S = 60.0


def note(kind: str, value: object) -> None:
    """Enter something of `kind` that is to be ended with the run; nothing happens outside one."""
    if folder := os.environ.get(VARIABLE):
        with (Path(folder) / kind).open("a") as file:
            file.write(f"{value}\n")


class Guard:
    """The process, from the configuration of pytest to its end."""

    def __init__(self) -> None:
        os.environ[VARIABLE] = tempfile.mkdtemp(prefix="ser-tests-")
        words = [sys.executable, "-m", "tests.support.process_guard", os.environ[VARIABLE]]
        self._process = subprocess.Popen(words, cwd=REPOSITORY, stdin=subprocess.PIPE, start_new_session=True)

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """Let it do its work, and wait for it."""
        self._process.communicate(timeout=2 * _MOST_S)
        del os.environ[VARIABLE]


def noted(folder: Path, kind: str) -> list[str]:
    """What was entered, the last first."""
    path = folder / kind
    return list(reversed(path.read_text().splitlines())) if path.exists() else []


def leftovers(folder: Path) -> set[int]:
    """Processes of the run that live."""
    mark, sessions = f"{VARIABLE}={folder}".encode(), {int(pid) for pid in noted(folder, SESSION)}
    since = start_of(os.getpid())
    ours = {
        pid
        for pid in process_ids()
        if mark in environment_of(pid) or (session_of(pid) in sessions and start_of(pid) >= since)
    }
    return {pid for pid in with_descendants(ours - {os.getpid()}) if lives(pid)} - {os.getpid()}


def end_processes(folder: Path, *, grace_s: float = _GRACE_S) -> None:
    """Kill what does not end by itself, but for the Docker engine."""
    started, spared = time.monotonic(), with_descendants(engine_ids(folder))
    while (found := leftovers(folder) - spared) and time.monotonic() < started + _MOST_S:
        for pid in found if time.monotonic() > started + grace_s else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, SIGKILL)
        time.sleep(0.1)


def engine_ids(folder: Path) -> set[int]:
    """The Docker engine that the run started, while it lives."""
    pid_files = (Path(line.split()[1]) for line in noted(folder, ENGINE))
    return {int(path.read_text()) for path in pid_files if path.exists()}


def end_containers(folder: Path) -> None:
    """Remove the stacks, and stop the engine if the run started it."""
    for line in noted(folder, STACK):
        host, project = line.split()
        label, environment = f"label=com.docker.compose.project={project}", {**os.environ, "DOCKER_HOST": host}
        for words in (["container", "ls", "-aq"], ["network", "ls", "-q"], ["volume", "ls", "-q"]):
            listed = subprocess.run(
                ["docker", *words, "--filter", label], capture_output=True, text=True, env=environment
            ).stdout.split()
            if listed:
                subprocess.run(["docker", words[0], "rm", "-f", *listed], capture_output=True, env=environment)
    for line in noted(folder, ENGINE):
        program, pid_file = map(Path, line.split())
        if pid_file.exists():
            subprocess.run([program, "stop"], capture_output=True)
            deadline = time.monotonic() + _MOST_S
            while pid_file.exists() and time.monotonic() < deadline:
                time.sleep(0.2)


def end_mounts(folder: Path) -> None:
    mounted = {line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()}
    for place in set(noted(folder, MOUNT)) & mounted:
        subprocess.run(["umount", "--lazy", place], capture_output=True)


def main() -> None:
    folder = Path(sys.argv[1])
    sys.stdin.read()
    end_processes(folder)
    end_containers(folder)
    end_processes(folder, grace_s=0)
    if Path("/proc/mounts").exists():
        end_mounts(folder)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
