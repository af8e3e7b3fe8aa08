"""A lock on a registered model: one process at a time changes its versions and aliases.

MLflow has no transactions, but of two processes that create a registered model of one name its database refuses one, be
it SQLite, PostgreSQL or behind a server. The lock is such a model, `<model>.changing`, which is there for a fraction of
a second. A lock that stays with the same holder for 30 s is assumed to be of a killed process and is taken over. A
holder that was only paused notices it before its next change (`Lock.confirm`) and makes none.

MLflow cannot make a change conditional on the lock. So a process that is paused for over 30 s between `confirm` and the
one request that follows still makes that one change, late: a second version of a run is deleted again, a late move of
`champion` ends in an error that says so, and a late `previous` is corrected by the next promotion or rollback.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ser.sweep.driver_process import current_driver
from ser.tracking.tags import HOLDER

TAKEN_OVER_AFTER_S = 30.0
"""Time after which the lock of another process is assumed to be of a killed one."""

# MLflow's error codes of a registered model or alias.
TAKEN, GONE = "RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"

_LOOK_EVERY_S = 0.1


class LockLostError(RuntimeError):
    """Another process has taken the lock over; this process must make no further change."""


@dataclass(frozen=True)
class Lock:
    """A lock that this process took.

    Attributes:
        client: of the registry.
        name: of the registered model that is the lock.
        holder: unique name of the process that took it.
    """

    client: MlflowClient
    name: str
    holder: str

    def confirm(self) -> None:
        """Confirm that this process still holds the lock; to be called directly before each change.

        Raises:
            LockLostError: another process has taken the lock over.
        """
        if _read_holder(self.client, self.name) != self.holder:
            raise LockLostError(f"{self.holder} has lost the lock {self.name}")


@contextmanager
def lock_model(client: MlflowClient, model: str, *, taken_over_after_s: float = TAKEN_OVER_AFTER_S) -> Iterator[Lock]:
    """Hold the lock on a registered model while the block runs, which should be some quick requests long.

    Args:
        client: of the registry.
        model: name of the registered model, which need not exist yet.
        taken_over_after_s: longest time in seconds that another process may hold the lock.

    Yields:
        The lock.
    """
    holder = f"{current_driver()} {uuid.uuid4()}"
    lock = Lock(client, f"{model}.changing", holder)
    _take(lock, taken_over_after_s)
    try:
        yield lock
    finally:
        _remove(client, lock.name, holder)


def _take(lock: Lock, taken_over_after_s: float) -> None:
    watched, since_s = "", time.monotonic()
    while not _create(lock):
        current = _read_holder(lock.client, lock.name)
        if current == lock.holder:
            return  # created by a request whose answer was lost
        if current != watched:
            watched, since_s = current, time.monotonic()
        elif time.monotonic() - since_s > taken_over_after_s:
            _remove(lock.client, lock.name, current)
        time.sleep(_LOOK_EVERY_S)


def _create(lock: Lock) -> bool:
    description = f"Not a model: {lock.holder} is changing versions or aliases. It disappears by itself."
    try:
        lock.client.create_registered_model(lock.name, tags={HOLDER: lock.holder}, description=description)
    except MlflowException as error:
        # GONE: the other lock was removed before MLflow could report that it exists.
        if error.error_code not in (TAKEN, GONE):
            raise
        return False
    return True


def _read_holder(client: MlflowClient, name: str) -> str:
    """Read the holder of a lock; '' if no process holds it any more."""
    try:
        return str(client.get_registered_model(name).tags.get(HOLDER, ""))
    except MlflowException as error:
        if error.error_code != GONE:
            raise
        return ""


def _remove(client: MlflowClient, name: str, holder: str) -> None:
    """Remove a lock if `holder` still holds it."""
    if _read_holder(client, name) != holder:
        return
    try:
        client.delete_registered_model(name)
    except MlflowException as error:
        if error.error_code != GONE:
            raise
