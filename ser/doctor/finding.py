"""What one look at one thing found."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

_UNITS = ("B", "kB", "MB", "GB", "TB")


class Level(StrEnum):
    """How bad it is: a warning costs something, a problem keeps a sweep from its end."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        check: what was looked at.
        found: what was found, with figures.
        remedy: a command or a sentence; empty where nothing is wrong.
        fix: does what is safe, and says what it did; None where there is nothing safe to do.
    """

    level: Level
    check: str
    found: str
    remedy: str = ""
    fix: Callable[[], str] | None = None


def fine(check: str, found: str) -> Finding:
    """Nothing is wrong."""
    return Finding(Level.OK, check, found)


def warning(check: str, found: str, *, remedy: str, fix: Callable[[], str] | None = None) -> Finding:
    """A sweep would run, but not as well, or something is left over."""
    return Finding(Level.WARNING, check, found, remedy, fix)


def problem(check: str, found: str, *, remedy: str, fix: Callable[[], str] | None = None) -> Finding:
    """A sweep would not start, or not come to its end."""
    return Finding(Level.PROBLEM, check, found, remedy, fix)


def refused(check: str, error: Exception) -> Finding:
    """The problem that an exception of ours tells; what follows its first colon is the remedy."""
    found, _, remedy = str(error).partition(": ")
    return problem(check, found, remedy=remedy or "see the sentence above")


def size(n_bytes: float) -> str:
    """Bytes in the unit that fits: 512 B, 3.5 kB, 12 GB."""
    for unit in _UNITS:
        if n_bytes < 1000 or unit == _UNITS[-1]:
            break
        n_bytes /= 1000
    return f"{n_bytes:.3g} {unit}" if n_bytes < 100 else f"{n_bytes:,.0f} {unit}"
