"""Reason of a failed trial, found in Tune's text of its failures."""

from ser.distributed.tune_adapter import find_failure_reason

DIED = """Failure # {n} (occurred at 2026-11-22_21-56-30)
The actor died unexpectedly before finishing this task.
\tclass_name: ImplicitFunc
The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR
"""
RAISED = """Failure # {n} (occurred at 2026-11-22_21-56-37)
ray::ImplicitFunc.train() (pid=1)
  File "x.py", line 1, in train
torch.OutOfMemoryError: CUDA out of memory.

"""


def test_a_death_and_an_exception_are_named():
    assert find_failure_reason(DIED.format(n=1)) == "The actor died unexpectedly before finishing this task."
    assert find_failure_reason(RAISED.format(n=1)) == "torch.OutOfMemoryError: CUDA out of memory."


def test_of_several_failures_the_last_counts():
    assert find_failure_reason(DIED.format(n=1) + RAISED.format(n=2)).startswith("torch.OutOfMemoryError")
    assert "died" in find_failure_reason(RAISED.format(n=1) + DIED.format(n=2))


def test_nothing_told_is_said_so():
    assert find_failure_reason("") == "unknown"
