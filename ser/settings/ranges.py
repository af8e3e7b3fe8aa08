"""Ranges of settings: the values that are allowed, and those that a search samples from."""

import math
from dataclasses import dataclass

from ser.errors import UserError

Value = bool | int | float | str


class SettingError(UserError):
    """Setting that is unknown, of the wrong type or out of its range."""


@dataclass(frozen=True)
class Floats:
    """Real numbers from `low` to `high`, sampled uniformly, or with `log` uniformly on a logarithmic scale."""

    low: float
    high: float
    log: bool = False
    searched: bool = True

    def find_broken_rule(self, value: Value) -> str | None:
        """Rule that `value` breaks, as a phrase after "must"; None if it breaks none."""
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return None if number and self.low <= value <= self.high else f"lie in {self}"  # type: ignore[operator]

    def __str__(self) -> str:
        return f"[{self.low:g}, {self.high:g}]" + (" log" if self.log else "")


@dataclass(frozen=True)
class Ints:
    """Whole numbers from `low` to `high`, both included, `step` apart."""

    low: int
    high: int
    step: int = 1
    log: bool = False
    searched: bool = True

    def find_broken_rule(self, value: Value) -> str | None:
        """Rule that `value` breaks, as a phrase after "must"; None if it breaks none."""
        if not isinstance(value, int) or isinstance(value, bool):
            return "be a whole number"
        on_grid = self.low <= value <= self.high and (value - self.low) % self.step == 0
        return None if on_grid else f"lie in {self}"

    def __str__(self) -> str:
        step = f" step {self.step}" if self.step > 1 else ""
        return f"{{{self.low}..{self.high}}}{step}" + (" log" if self.log else "")


@dataclass(frozen=True)
class Choice:
    """One of the listed options."""

    options: tuple[Value, ...]
    searched: bool = True

    def find_broken_rule(self, value: Value) -> str | None:
        """Rule that `value` breaks, as a phrase after "must"; None if it breaks none."""
        # `True == 1`, so the type is compared too.
        return None if any(value == o and type(value) is type(o) for o in self.options) else f"be one of {self}"

    def __str__(self) -> str:
        return "{" + ", ".join(str(option) for option in self.options) + "}"


@dataclass(frozen=True)
class Subset:
    """Subset of `members`: 'all', or names joined by '+'. A search samples from the `searched_options` only."""

    members: tuple[str, ...]
    searched_options: tuple[str, ...] = ("all",)
    searched: bool = True

    def select_members(self, value: str) -> tuple[str, ...]:
        """Members that `value` names, in the order of `members`."""
        names = set(self.members) if value == "all" else set(value.split("+"))
        return tuple(member for member in self.members if member in names)

    def find_broken_rule(self, value: Value) -> str | None:
        """Rule that `value` breaks, as a phrase after "must"; None if it breaks none."""
        rule = f"be 'all' or names joined by '+' out of {', '.join(self.members)}"
        if not isinstance(value, str):
            return rule
        names = value.split("+")
        fits = value == "all" or (len(set(names)) == len(names) and set(names) <= set(self.members))
        return None if fits else rule

    def __str__(self) -> str:
        return "{" + ", ".join(self.searched_options) + "}"


@dataclass(frozen=True)
class Text:
    """Free text, never searched: a name that is checked where it is used (a corpus, a split)."""

    searched: bool = False

    def find_broken_rule(self, value: Value) -> str | None:
        """Rule that `value` breaks, as a phrase after "must"; None if it breaks none."""
        return None if isinstance(value, str) else "be text"

    def __str__(self) -> str:
        return "text"


Range = Floats | Ints | Choice | Subset | Text
