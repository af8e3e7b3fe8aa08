"""The processes of a Ray, found below the command that started it, and a Ray of two machines to lose one of."""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from signal import SIGKILL

from tests.support.command_runner import Command, free_port, running
from tests.support.process_tree import stat_of, title_of, with_descendants

RAY = Path(sys.executable).with_name("ray")
# Runs what follows the name of a folder in a mount namespace of its own, where the folder is empty.
_WITHOUT = (
    "unshare", "--mount", "--propagation", "private", "--",
    "sh", "-c", 'folder="$1"; shift; mount -t tmpfs tmpfs "$folder" && exec "$@"', "sh",
)  # fmt: skip


def trial_workers(pid: int) -> list[int]:
    """The processes that train trials below the process `pid`."""
    return _below(pid, lambda title: title.startswith("ray::ImplicitFunc"))


def processor_s(pid: int, *, prefix: str = "") -> float:
    """Processor time that the living processes below `pid` have had; those whose title begins so ("ray::": workers)."""
    fields = [stat_of(one) for one in _below(pid, lambda title: title.startswith(prefix)) if one != pid]
    return sum(int(stat[11]) + int(stat[12]) for stat in fields if stat) / os.sysconf("SC_CLK_TCK")


def raylets(pid: int) -> list[int]:
    return _below(pid, lambda title: title.split("\0")[0].endswith("/raylet"))


class TooLateError(Exception):
    """What was to be broken had come to its end."""


def kill_one(find: Callable[[], list[int]], *, of: Command, timeout_s: float = 60) -> None:
    """kill -9 of the first process that `find` sees, as soon as there is one.

    Raises:
        TooLateError: `of` has ended before.
    """
    deadline = time.monotonic() + timeout_s
    while not (found := find()):
        if of.has_ended:
            raise TooLateError
        assert time.monotonic() < deadline, "there is no such process"
        time.sleep(0.05)
    os.kill(found[0], SIGKILL)


def _below(pid: int, fits: Callable[[str], bool]) -> list[int]:
    return sorted(child for child in with_descendants([pid]) if fits(title_of(child)))


class Cluster:
    """A Ray of two machines with a CPU each, both of them this one; it runs while entered.

    From the second one a folder can be hidden (that needs root); then the first one works at nothing.
    """

    def __init__(self, folder: Path, *, hidden: Path | None = None) -> None:
        self._folder, self._hidden, self._port = folder, hidden, free_port()

    def __enter__(self) -> "Cluster":
        with contextlib.ExitStack() as stack:
            # Sockets lie in it: its path must be short.
            session = stack.enter_context(tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
            options = [f"--port={self._port}", f"--temp-dir={session}", "--include-dashboard=false"]
            n_cpus = 1 if self._hidden is None else 0
            stack.enter_context(self._machine("head", "--head", *options, f"--num-cpus={n_cpus}"))
            self._second = contextlib.ExitStack()
            self.join()
            stack.push(self._second)
            self._running = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def join(self) -> None:
        """Add the second machine."""
        hide = [] if self._hidden is None else [*_WITHOUT, self._hidden]
        self._command = self._second.enter_context(
            self._machine("second", f"--address={self.address}", "--num-cpus=1", before=hide)
        )

    def lose_second(self) -> None:
        """kill -9 of the second machine's raylet."""
        kill_one(lambda: raylets(self._command.pid), of=self._command)
        self._command.end(timeout_s=60)
        self._second.close()

    @contextlib.contextmanager
    def _machine(self, name: str, *options: object, before: Sequence[object] = ()) -> Iterator[Command]:
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        common = ["--block", "--object-store-memory=200000000", "--node-ip-address=127.0.0.1"]
        # Ray makes a token when a head starts, and then wants it of everybody.
        variables = {} if name == "head" else {"RAY_AUTH_MODE": "token"}
        words = [*before, RAY, "start", *options, *common, "--disable-usage-stats"]
        with running(*words, folder=folder, variables=variables) as command:
            command.wait_until(lambda: "Ray runtime started" in command.text)
            yield command
