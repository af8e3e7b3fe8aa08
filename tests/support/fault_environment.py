"""A sweep and all that it stands on, real and ready to be broken."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from mlflow.tracking import MlflowClient

from ser.sweep.journal import Event, read_events
from ser.sweep.state import SweepState, replay
from tests.support.command_runner import SWEEP, Command, running
from tests.support.faulty_proxy import Proxy, proxied
from tests.support.mlflow_server import SQLITE, Tracker
from tests.support.postgres_server import Postgres
from tests.support.ray_cluster import Cluster
from tests.support.small_disk import SmallDisk
from tests.support.sweep_results import journal_of

NAME = "small"
PARTS = ("postgres", "proxy", "cluster", "disk")
CLIENT_TIMEOUT_S = 5


@dataclass
class Stage:
    """One sweep, run as often as it takes, and the parts it stands on; only `PARTS` that were asked for are there."""

    folder: Path
    words: Sequence[object]
    rng: Random
    tracker: Tracker
    postgres: Postgres | None = None
    proxy: Proxy | None = None
    cluster: Cluster | None = None
    disk: SmallDisk | None = None
    moments: list[float] = field(default_factory=list)

    @property
    def journal(self) -> Path:
        return journal_of(self.folder / ".ser", NAME)

    @property
    def client(self) -> MlflowClient:
        return self.tracker.client()

    def record(self) -> SweepState:
        """What the journal says; nothing before there is one."""
        return replay(self.journal) if self.journal.exists() else SweepState()

    def count(self, kind: type[Event]) -> int:
        """How many events of a kind the journal has."""
        if not self.journal.exists():
            return 0
        return sum(isinstance(event, kind) for _, event in read_events(self.journal))

    def sweep(self) -> AbstractContextManager[Command]:
        """The sweep under way: begun, or gone on with."""
        words = ["--resume", NAME] if self.record().name else ["--name", NAME, *self.words]
        variables = {
            "MLFLOW_TRACKING_URI": (self.proxy or self.tracker).uri,
            "MLFLOW_HTTP_REQUEST_TIMEOUT": str(CLIENT_TIMEOUT_S if self.proxy else 30),
        }
        if self.cluster is not None:
            variables["RAY_ADDRESS"] = self.cluster.address
        return running(sys.executable, SWEEP, *words, folder=self.folder, variables=variables)


@contextlib.contextmanager
def staged(folder: Path, words: Sequence[object], *, rng: Random, parts: Sequence[str] = ()) -> Iterator[Stage]:
    """A sweep that has not begun, in `folder`, with an MLflow server and some of `PARTS`.

    Args:
        folder: is made.
        words: of the command line of a new sweep.
        rng: decides about the moments.
        parts: `postgres`, `proxy`, `cluster`, `disk`: under the journal.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        postgres = stack.enter_context(Postgres()) if "postgres" in parts else None
        database = postgres.uri if postgres else SQLITE
        tracker = stack.enter_context(Tracker(folder / "tracker", database))
        stage = Stage(folder, words, rng, tracker, postgres)
        if "proxy" in parts:
            stage.proxy = stack.enter_context(proxied(tracker.uri, client_timeout_s=CLIENT_TIMEOUT_S))
        if "cluster" in parts:
            stage.cluster = stack.enter_context(Cluster(folder / "cluster"))
        if "disk" in parts:
            stage.disk = stack.enter_context(SmallDisk(folder / ".ser" / "sweeps"))
        yield stage


def write_plan(path: Path, *, at_a_time: int, trials_per_cell: int = 3, max_epochs: int = 5) -> Path:
    """A plan whose trials leave a checkpoint each epoch and compute alike wherever they run."""
    path.write_text(
        f"""
corpus = "synthetic"
cells = ["lenet5-1d", "lenet5-2d"]
trials_per_cell = {trials_per_cell}
max_epochs = {max_epochs}
grace_epochs = 2
reduction = 3
cpus_per_trial = {max(1, (os.cpu_count() or 1) // at_a_time)}
checkpoint_every_s = 0
[settings]
"training.patience" = {max_epochs}
"training.precision" = "float32"
"training.memory_format" = "contiguous"
"""
    )
    return path
