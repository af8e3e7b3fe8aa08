"""Result of one check of the doctor: level, finding, remedy and, where it is safe, a repair."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ser.errors import UserError

_UNITS = ("B", "kB", "MB", "GB", "TB")


class Level(StrEnum):
    """Severity of a finding: a warning has a cost, a problem prevents a sweep from completing."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's output.

    Attributes:
        level: severity.
        check: name of the check.
        found: description with figures.
        remedy: a command or an instruction; empty where nothing is wrong.
        fix: makes a safe repair and returns a description of it; None where no repair is safe.
    """

    level: Level
    check: str
    found: str
    remedy: str = ""
    fix: Callable[[], str] | None = None


def fine(check: str, found: str) -> Finding:
    """Finding without anything wrong."""
    return Finding(Level.OK, check, found)


def warning(check: str, found: str, *, remedy: str, fix: Callable[[], str] | None = None) -> Finding:
    """Finding with a cost: a sweep would run, but not as well, or something is left over."""
    return Finding(Level.WARNING, check, found, remedy, fix)


def problem(check: str, found: str, *, remedy: str, fix: Callable[[], str] | None = None) -> Finding:
    """Finding that would prevent a sweep from starting or from completing."""
    return Finding(Level.PROBLEM, check, found, remedy, fix)


def problem_from(check: str, error: UserError) -> Finding:
    """Finding with the problem and the remedy of an error."""
    return problem(check, error.problem, remedy=error.remedy or "see the line above")


def format_size(n_bytes: float) -> str:
    """Format bytes in the unit that fits: 512 B, 3.5 kB, 12 GB."""
    for unit in _UNITS:
        if n_bytes < 1000 or unit == _UNITS[-1]:
            break
        n_bytes /= 1000
    return f"{n_bytes:.3g} {unit}" if n_bytes < 100 else f"{n_bytes:,.0f} {unit}"
