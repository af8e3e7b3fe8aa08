"""Many Ray tasks, a few at a time: what waits is a call, not a task that holds its arguments."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import ray
from ray.exceptions import RayTaskError

from ser.distributed.cluster import resources

_TASKS_PER_CPU = 4

T = TypeVar("T")


def get(ref: ray.ObjectRef[T]) -> T:
    """What a task gave; what it raised is raised as it is."""
    try:
        return ray.get(ref)
    except RayTaskError as error:
        raise error.cause from None


def results(calls: Iterable[Callable[[], ray.ObjectRef[T]]]) -> Iterator[T]:
    """What the tasks gave that `calls` start, the first to end first; what one raised is raised as it is."""
    bound = _TASKS_PER_CPU * max(1, int(resources().get("CPU", 1)))
    in_flight: list[ray.ObjectRef[T]] = []
    for call in calls:
        if len(in_flight) >= bound:
            ready, in_flight = ray.wait(in_flight, num_returns=1)
            yield get(ready[0])
        in_flight.append(call())
    while in_flight:
        ready, in_flight = ray.wait(in_flight, num_returns=1)
        yield get(ready[0])
