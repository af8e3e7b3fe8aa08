"""Who drives a sweep, and by which code: the process that holds its journal."""

import getpass
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DRIVER = "ser.driver"
COMMIT = "SER_COMMIT"

_FORM = re.compile(r"(?P<user>\S+)@(?P<host>\S+) pid (?P<pid>\d+)")
_SCRIPT = b"run_sweep"


@dataclass(frozen=True)
class DriverProcess:
    """A process, as 'user@host pid 123'."""

    user: str
    host: str
    pid: int

    def __str__(self) -> str:
        return f"{self.user}@{self.host} pid {self.pid}"

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, a process of this machine."""
        return self.host == socket.gethostname()

    @property
    def lives(self) -> bool:
        """Whether it still drives a sweep on this machine; another process may bear its number since."""
        try:
            return self.is_here and _SCRIPT in Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return False


def current_driver() -> DriverProcess:
    """The process that asks."""
    return DriverProcess(user_name(), socket.gethostname(), os.getpid())


def parse_driver(text: str) -> DriverProcess | None:
    """The driver that `str` of it tells; None of any other text."""
    match = _FORM.fullmatch(text)
    return DriverProcess(match["user"], match["host"], int(match["pid"])) if match else None


def git_commit() -> str:
    """Of the code that runs: SER_COMMIT where that stands, as away from its repository, else as git tells."""
    given = os.environ.get(COMMIT)
    if given:
        return given
    here = Path(__file__).parent
    try:
        git = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return git.stdout.strip()


@contextmanager
def stop_on_sigterm() -> Iterator[None]:
    """SIGTERM stops a sweep as orderly as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def user_name() -> str:
    """Name of the user, without blanks; 'uid1000' for a user id without a name, as containers may have."""
    try:
        return "_".join(getpass.getuser().split())
    except (KeyError, OSError):
        return f"uid{os.getuid()}"
