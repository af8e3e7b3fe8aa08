"""Run many Ray tasks, a bounded number at a time; those that wait do not hold their arguments in memory yet."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import ray
from ray.exceptions import LocalRayletDiedError, NodeDiedError, OutOfMemoryError, RayTaskError, WorkerCrashedError

from ser.distributed.cluster import resources
from ser.errors import UserError

_TASKS_PER_CPU = 4

T = TypeVar("T")


class WorkerDiedError(UserError):
    """The worker process of a task died in every attempt of Ray.

    Attributes:
        out_of_memory: it was killed because memory ran out on its machine.
    """

    def __init__(self, *, out_of_memory: bool) -> None:
        problem, remedy = (
            ("memory ran out on the machine of a Ray worker", "free some there, or use fewer CPUs at a time")
            if out_of_memory
            else (
                "a Ray worker died, or its whole machine",
                "look into Ray's logs on it (/tmp/ray/session_latest/logs)",
            )
        )
        super().__init__(problem, f"{remedy}; then run the same command again, finished work is kept")
        self.out_of_memory = out_of_memory


def get_result(ref: ray.ObjectRef[T]) -> T:
    """Wait for the result of a task; an exception of the task is raised without Ray's wrapper.

    Raises:
        WorkerDiedError: its worker process died in every attempt.
    """
    try:
        return ray.get(ref)
    except RayTaskError as error:
        raise error.cause from None
    except (WorkerCrashedError, OutOfMemoryError, NodeDiedError, LocalRayletDiedError) as error:
        raise WorkerDiedError(out_of_memory=isinstance(error, OutOfMemoryError)) from error


def run_bounded(calls: Iterable[Callable[[], ray.ObjectRef[T]]]) -> Iterator[T]:
    """Run the tasks that `calls` start, four per CPU of the cluster at a time, and yield their results as they end.

    Raises:
        WorkerDiedError: a worker process died in every attempt.
    """
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
