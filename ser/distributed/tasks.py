"""Many Ray tasks, a few at a time: what waits is a call, not a task that holds its arguments."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import ray
from ray.exceptions import LocalRayletDiedError, NodeDiedError, OutOfMemoryError, RayTaskError, WorkerCrashedError

from ser.distributed.cluster import resources
from ser.errors import UserError

_TASKS_PER_CPU = 4

T = TypeVar("T")


class WorkerDiedError(UserError):
    """Whoever ran a task has died, as often as Ray tried it.

    Attributes:
        out_of_memory: it was ended because memory ran out on its machine.
    """

    def __init__(self, *, out_of_memory: bool) -> None:
        died = (
            "memory ran out on the machine of a Ray worker: free some there, or use fewer CPUs at a time"
            if out_of_memory
            else "a Ray worker died, or its whole machine: look into Ray's logs on it (/tmp/ray/session_latest/logs)"
        )
        super().__init__(f"{died}; then run the same command again, what was done is kept")
        self.out_of_memory = out_of_memory


def get_result(ref: ray.ObjectRef[T]) -> T:
    """What a task gave; what it raised is raised as it is.

    Raises:
        WorkerDiedError: whoever ran it has died.
    """
    try:
        return ray.get(ref)
    except RayTaskError as error:
        raise error.cause from None
    except (WorkerCrashedError, OutOfMemoryError, NodeDiedError, LocalRayletDiedError) as error:
        raise WorkerDiedError(out_of_memory=isinstance(error, OutOfMemoryError)) from error


def run_bounded(calls: Iterable[Callable[[], ray.ObjectRef[T]]]) -> Iterator[T]:
    """What the tasks gave that `calls` start, the first to end first; what one raised is raised as it is."""
    bound = _TASKS_PER_CPU * max(1, int(resources().get("CPU", 1)))
    in_flight: list[ray.ObjectRef[T]] = []
    for call in calls:
        if len(in_flight) >= bound:
            ready, in_flight = ray.wait(in_flight, num_returns=1)
            yield get_result(ready[0])
        in_flight.append(call())
    while in_flight:
        ready, in_flight = ray.wait(in_flight, num_returns=1)
        yield get_result(ready[0])
