"""The ways to break a sweep, by name."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from signal import SIGINT, SIGKILL, SIGTERM

from tests.support.command_runner import Command, Finished
from tests.support.fault_environment import Stage
from tests.support.ray_cluster import kill_one, raylets, trial_workers
from tests.support.sweep_results import check_stopped

AT_ONCE_S = 20.0
# A trial that dies once more has failed.
MOST_DEATHS = 3


def nothing(*_: object) -> None:
    """Nothing to do, nothing to check."""


@dataclass(frozen=True)
class Fault:
    """One way to break things.

    Attributes:
        inject: does it to a sweep under way, or raises `TooLateError`.
        code: how the driver may end for it; 0 where it goes on as if nothing had been.
        early: may hit a sweep that is only starting.
        per_sweep: how often one sweep is to bear it.
        part: what the stage needs for it, besides an MLflow server.
        left: checks what a driver that ended for it has left.
        mend: what is done before the sweep is resumed.
    """

    inject: Callable[[Stage, Command], None]
    code: int = 0
    early: bool = False
    per_sweep: int = 8
    part: str = ""
    left: Callable[[Stage, Finished], None] = nothing
    mend: Callable[[Stage], None] = nothing


def kill_driver(_: Stage, driver: Command) -> None:
    driver.signal(SIGKILL)


def terminate_driver(_: Stage, driver: Command) -> None:
    driver.signal(SIGTERM)


def press_ctrl_c(_: Stage, driver: Command) -> None:
    driver.signal(SIGINT, everyone=True)


def press_ctrl_c_twice(stage: Stage, driver: Command) -> None:
    driver.signal(SIGINT, everyone=True)
    time.sleep(stage.rng.uniform(0.05, 1.0))
    driver.signal(SIGINT, everyone=True)
    driver.end(timeout_s=AT_ONCE_S)


def kill_worker(_: Stage, driver: Command) -> None:
    kill_one(lambda: trial_workers(driver.pid), of=driver)


def kill_raylet(_: Stage, driver: Command) -> None:
    kill_one(lambda: raylets(driver.pid), of=driver)
    driver.end(timeout_s=90)


def lose_machine(stage: Stage, _: Command) -> None:
    assert stage.cluster is not None
    stage.cluster.lose_second()
    time.sleep(stage.rng.uniform(0, 5))
    stage.cluster.join()


def lose_server_for_a_while(stage: Stage, _: Command) -> None:
    stage.tracker.kill()
    time.sleep(stage.rng.uniform(0, 5))
    stage.tracker.start()


def lose_server(stage: Stage, _: Command) -> None:
    stage.tracker.kill()


def restart_postgres(stage: Stage, _: Command) -> None:
    assert stage.postgres is not None
    stage.postgres.restart()


def break_proxy(mode: str) -> Callable[[Stage, Command], None]:
    """The tracker answers as in `mode` of the proxy for some seconds."""

    def inject(stage: Stage, _: Command) -> None:
        assert stage.proxy is not None
        with stage.proxy.broken(mode):
            time.sleep(stage.rng.uniform(2, 12))

    return inject


def fill_disk(stage: Stage, driver: Command) -> None:
    assert stage.disk is not None
    stage.disk.fill()
    driver.end(timeout_s=90)


def free_disk(stage: Stage) -> None:
    assert stage.disk is not None
    stage.disk.free()


def bring_server_back(stage: Stage) -> None:
    stage.tracker.start()


def is_closed(stage: Stage, ended: Finished) -> None:
    """An orderly stop: user, journal and tracker are told so, and no run is left open."""
    check_stopped(stage.client, stage.journal, ended, outcome="killed")


FAULTS = {
    "driver: kill -9": Fault(kill_driver, -SIGKILL, early=True),
    "driver: SIGTERM": Fault(terminate_driver, 130, left=is_closed),
    "driver: Ctrl-C": Fault(press_ctrl_c, 130, left=is_closed),
    "driver: Ctrl-C twice": Fault(press_ctrl_c_twice, 130),
    "a trial's worker: kill -9": Fault(kill_worker, per_sweep=MOST_DEATHS),
    "the only raylet: kill -9": Fault(kill_raylet, 2),
    "one of two raylets: kill -9": Fault(lose_machine, per_sweep=MOST_DEATHS, part="cluster"),
    "MLflow server: kill -9, back soon": Fault(lose_server_for_a_while, early=True),
    "MLflow server: kill -9, back after the end": Fault(lose_server, 3, early=True, mend=bring_server_back),
    "PostgreSQL: crash and restart": Fault(restart_postgres, early=True, part="postgres"),
    "tracker answers 500": Fault(break_proxy("error"), early=True, part="proxy"),
    "tracker hangs": Fault(break_proxy("hang"), early=True, part="proxy"),
    "tracker obeys and never answers": Fault(break_proxy("mute"), early=True, part="proxy"),
    "tracker obeys too late": Fault(break_proxy("late"), early=True, part="proxy"),
    "disk of the journal full": Fault(fill_disk, 2, part="disk", mend=free_disk),
}
