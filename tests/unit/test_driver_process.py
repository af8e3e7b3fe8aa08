"""The name of the user, where there is one and where there is none."""

import os
import subprocess
import sys

import pytest

PROGRAM = "import os; from ser.sweep.driver_process import user_name; os.setuid({uid}); print(user_name())"


def name_of(uid: int, **variables: str) -> str:
    """What a process of this user says, which has no other variables."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    program = PROGRAM.format(uid=uid)
    done = subprocess.run(
        [sys.executable, "-c", program], env={**kept, **variables}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_blanks_in_a_name_are_replaced() -> None:
    assert name_of(os.getuid(), LOGNAME="Ada  of London") == "Ada_of_London"


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become a user without a name")
def test_a_user_without_a_name_is_told_by_its_number() -> None:
    assert name_of(54_321) == "uid54321"
