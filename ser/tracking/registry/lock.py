"""One at a time in the model registry: whoever changes versions and aliases of a model holds a mark there.

MLflow has no transactions, but of two who create a registered model of one name its database refuses one, be it SQLite,
PostgreSQL or behind a server. The mark is such a model, `<model>.changing`; it is there for a fraction of a second.
"""

import getpass
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

DEAD_AFTER_S = 30.0
_LOOK_EVERY_S = 0.1
_HOLDER = "ser.holder"
_TAKEN, GONE = "RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"


@contextmanager
def alone(client: MlflowClient, model: str, *, dead_after_s: float = DEAD_AFTER_S) -> Iterator[None]:
    """Nobody else changes the registered model `model` while the block runs; it should be some quick requests long.

    Args:
        client: of the registry.
        model: its name.
        dead_after_s: a mark that stays as long as this with one holder is of a process that was killed, and is removed.
    """
    mark, holder = f"{model}.changing", f"{getpass.getuser()}@{socket.gethostname()} pid {os.getpid()} {uuid.uuid4()}"
    _take(client, mark, holder, dead_after_s)
    try:
        yield
    finally:
        _remove(client, mark, holder)


def _take(client: MlflowClient, mark: str, holder: str, dead_after_s: float) -> None:
    watched, since_s = "", time.monotonic()
    while not _created(client, mark, holder):
        seen = _holder(client, mark)
        if seen == holder:
            return  # a tracker that did it and lost the answer
        if seen != watched:
            watched, since_s = seen, time.monotonic()
        elif time.monotonic() - since_s > dead_after_s:
            _remove(client, mark, seen)
        time.sleep(_LOOK_EVERY_S)


def _created(client: MlflowClient, mark: str, holder: str) -> bool:
    description = f"Not a model: {holder} is changing versions or aliases. Goes by itself."
    try:
        client.create_registered_model(mark, tags={_HOLDER: holder}, description=description)
    except MlflowException as error:
        # Gone: it was there, and went before MLflow could say so.
        if error.error_code not in (_TAKEN, GONE):
            raise
        return False
    return True


def _holder(client: MlflowClient, mark: str) -> str:
    """Who holds the mark; '' where nobody does any more."""
    try:
        return str(client.get_registered_model(mark).tags.get(_HOLDER, ""))
    except MlflowException as error:
        if error.error_code != GONE:
            raise
        return ""


def _remove(client: MlflowClient, mark: str, holder: str) -> None:
    """Take the mark away if it is still of `holder`."""
    if _holder(client, mark) != holder:
        return
    try:
        client.delete_registered_model(mark)
    except MlflowException as error:
        if error.error_code != GONE:
            raise
