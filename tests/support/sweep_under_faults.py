"""A sweep that is broken at random moments, resumed where needed, and has to come to its end all the same."""

import time
from collections.abc import Sequence

from ser.sweep.journal import Reported, Started
from tests.support.command_runner import Command, Finished
from tests.support.fault_environment import Stage
from tests.support.injected_faults import Fault
from tests.support.ray_cluster import TooLateError


def endure(stage: Stage, faults: Sequence[Fault], *, most_reports: int = 6) -> int:
    """Run the sweep of `stage` to its end under `faults`, one after the other.

    Args:
        stage: its sweep has not begun, or was stopped.
        faults: in the order in which they hit.
        most_reports: epochs reported between two faults are 0 to so many.

    Returns:
        How many of the faults hit before the sweep was at its end.
    """
    waiting = list(faults)
    for _ in range(2 * len(faults) + 1):
        code = _run_once(stage, waiting, most_reports)
        if code == 0:
            return len(faults) - len(waiting)
    raise AssertionError(f"not finished after {2 * len(faults) + 1} starts")


def _run_once(stage: Stage, waiting: list[Fault], most_reports: int) -> int:
    """One driver, from its start to its end; takes the faults that hit from `waiting`."""
    n_starts = stage.count(Started)
    with stage.sweep() as driver:
        ended_by = None
        while waiting and ended_by is None and _moment_comes(stage, driver, waiting[0], n_starts, most_reports):
            fault, moment = waiting[0], time.time()
            try:
                fault.inject(stage, driver)
            except TooLateError:
                break
            waiting.pop(0)
            stage.moments.append(moment)
            ended_by = fault if fault.code else None
        ended = driver.end(timeout_s=600)
    if ended_by is not None and ended.code:
        assert ended.code == ended_by.code, f"exit code {ended.code}:\n{ended.seen}"
        ended_by.left(stage, ended)
    if ended_by is not None:
        ended_by.mend(stage)
    _check_words(ended)
    return ended.code


def _moment_comes(stage: Stage, driver: Command, fault: Fault, n_starts: int, most_reports: int) -> bool:
    """Wait for the moment of the next fault; False if the sweep ended before."""
    if fault.early and stage.rng.random() < 0.2:
        time.sleep(stage.rng.uniform(0, 8))
        return not driver.has_ended
    n_reports = stage.count(Reported) + stage.rng.randint(0, most_reports)
    while stage.count(Started) == n_starts or stage.count(Reported) < n_reports:
        if driver.has_ended:
            return False
        time.sleep(0.05)
    time.sleep(stage.rng.uniform(0, 0.5))
    return not driver.has_ended


def _check_words(ended: Finished) -> None:
    """The user sees sentences, whatever happened; Ray's core says a line of its own when it loses a machine."""
    assert "Traceback" not in ended.stdout, ended.seen
    assert not [line for line in ended.stderr.splitlines() if "core_worker.cc" not in line], ended.seen
