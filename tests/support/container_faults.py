"""The ways to break a cluster of containers, by name."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.container_stack import Stack, docker, wait

OUTAGE_S = 60.0
DISCONNECTED_S = 30.0


@dataclass(frozen=True)
class ClusterFault:
    """One way to break the stack under a sweep.

    Attributes:
        inject: does it, and mends what does not mend itself.
        ends: whether the sweep ends by it and has to be resumed.
    """

    inject: Callable[[Stack], None]
    ends: bool = False


def kill_worker(stack: Stack) -> None:
    stack.kill(stack.containers("ray-worker")[0])


def replace_all_workers(stack: Stack) -> None:
    """New containers: with other addresses, and nothing of what the old ones had."""
    for worker in stack.containers("ray-worker"):
        stack.kill(worker)
    stack.compose("rm", "-sf", "ray-worker")
    stack.up("ray-worker")


def add_worker(stack: Stack) -> None:
    """It gets work."""
    before = stack.containers("ray-worker")
    stack.up("--scale", "ray-worker=2", "--no-recreate", "ray-worker")
    (new,) = set(stack.containers("ray-worker")) - set(before)
    wait(lambda: "ray::ImplicitFunc" in stack.titles(new), 120, lambda: stack.titles(new))


def stop_tracker(stack: Stack) -> None:
    stack.compose("stop", "-t", "5", "mlflow")
    time.sleep(OUTAGE_S)
    stack.up("mlflow")


def restart_postgres(stack: Stack) -> None:
    stack.compose("restart", "-t", "5", "postgres")


def disconnect_worker(stack: Stack) -> None:
    worker, network = stack.containers("ray-worker")[0], f"{stack.project}_cluster"
    docker("network", "disconnect", network, worker)
    time.sleep(DISCONNECTED_S)
    docker("network", "connect", network, worker)


def fill_artefacts(stack: Stack) -> None:
    stack.disk.fill()
    time.sleep(OUTAGE_S / 2)
    stack.disk.free()


def kill_head(stack: Stack) -> None:
    stack.kill(stack.containers("ray-head")[0])
    stack.wait_until_ready()


def down_and_up(stack: Stack) -> None:
    stack.compose("down", "-t", "5")
    stack.up()


CLUSTER_FAULTS = {
    "a worker: kill -9": ClusterFault(kill_worker),
    "all workers: kill -9, new ones": ClusterFault(replace_all_workers),
    "a worker more": ClusterFault(add_worker),
    "MLflow: away for a minute": ClusterFault(stop_tracker),
    "PostgreSQL: restart": ClusterFault(restart_postgres),
    "a worker: 30 s without network": ClusterFault(disconnect_worker),
    "artefact volume: full for 30 s": ClusterFault(fill_artefacts),
    "head: kill -9": ClusterFault(kill_head, ends=True),
    "compose down, up": ClusterFault(down_and_up, ends=True),
}
