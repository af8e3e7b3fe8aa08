"""Driver process of a sweep, which holds its journal, and the commit of the code that it runs."""

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
_SCRIPT = b"run_sweep.py"


@dataclass(frozen=True)
class DriverProcess:
    """Driver process of a sweep; `str` gives 'user@host pid 123'."""

    user: str
    host: str
    pid: int

    def __str__(self) -> str:
        return f"{self.user}@{self.host} pid {self.pid}"

    @property
    def is_here(self) -> bool:
        """True if it is, or was, a process of this machine."""
        return self.host == socket.gethostname()

    @property
    def is_alive(self) -> bool:
        """True if it still drives a sweep on this machine; a later process with its number does not count."""
        try:
            words = Path(f"/proc/{self.pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return self.is_here and any(word.rpartition(b"/")[2] == _SCRIPT for word in words)


def current_driver() -> DriverProcess:
    """This process, as a driver."""
    return DriverProcess(user_name(), socket.gethostname(), os.getpid())


def parse_driver(text: str) -> DriverProcess | None:
    """Parse the driver from its `str`; None for any other text."""
    match = _FORM.fullmatch(text)
    return DriverProcess(match["user"], match["host"], int(match["pid"])) if match else None


def find_git_commit() -> str:
    """Commit of the running code: SER_COMMIT where it is set, as outside the repository, else from git."""
    commit = os.environ.get(COMMIT)
    if commit:
        return commit
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
    """Treat SIGTERM as Ctrl-C while the block runs, so that a sweep stops in order."""
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
