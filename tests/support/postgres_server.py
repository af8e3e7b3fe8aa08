"""PostgreSQL as a real process that can be restarted in the middle of anything."""

import contextlib
import os
import pwd
import shutil
import tempfile
from pathlib import Path
from signal import SIGQUIT

import psycopg

from tests.support.command_runner import Command, free_port, run

_OWNERS = ("postgres", "nobody")


class Postgres:
    """A server with an empty database on the loopback interface; it runs while entered, and leaves nothing."""

    def __init__(self) -> None:
        self._port = free_port()

    def __enter__(self) -> "Postgres":
        # Not in a folder of pytest's: the server refuses to run as root, and nobody else may enter those.
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._as_owner: list[object] = []
        if os.geteuid() == 0:
            owner = _owner()
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
            self._as_owner = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
        words = ["-D", self._data, "-U", "ser", "--auth=trust", "--encoding=UTF8"]
        made = run(*self._as_owner, _program("initdb"), *words, folder=self._folder)
        assert made.code == 0, made.seen
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.kill()
        shutil.rmtree(self._folder)

    @property
    def uri(self) -> str:
        return f"postgresql+psycopg://ser@127.0.0.1:{self._port}/postgres"

    def restart(self) -> None:
        """Immediate shutdown, as in a crash, and start again with recovery."""
        self._server.signal(SIGQUIT)
        self._server.end(timeout_s=60)
        self._start()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _start(self) -> None:
        words = ["-D", self._data, "-h", "127.0.0.1", "-p", self._port, "-c", "unix_socket_directories="]
        self._server = Command(*self._as_owner, _program("postgres"), *words, folder=self._folder)
        self._server.wait_until(self._answers)

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(f"postgresql://ser@127.0.0.1:{self._port}/postgres", connect_timeout=2).close()
            return True
        return False


def postgres_is_installed() -> bool:
    """Whether there is a PostgreSQL to start."""
    return _find("postgres") is not None


def _find(name: str) -> str | None:
    folders = [os.environ.get("PATH", ""), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
    return shutil.which(name, path=os.pathsep.join(folders))


def _program(name: str) -> str:
    found = _find(name)
    assert found is not None, f"{name} of PostgreSQL is not installed"
    return found


def _owner() -> pwd.struct_passwd:
    """Somebody other than root."""
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(names[name] for name in _OWNERS if name in names)
