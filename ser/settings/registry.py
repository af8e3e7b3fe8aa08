"""Registry of named classes, one per file, found by importing the package that holds them."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any, Generic, TypeVar, cast

from ser.settings.ranges import SettingError

T = TypeVar("T")
M = TypeVar("M", bound=type[Any])


def describe_unknown_name(kind: str, name: str, known: list[str]) -> SettingError:
    """Error for an unknown name, with the nearest of the known names as its remedy.

    Args:
        kind: of the named thing, such as "setting".
        name: given by the user.
        known: all names of this kind.
    """
    nearest = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean '{nearest[0]}'? " if nearest else ""
    return SettingError(f"unknown {kind} '{name}'", f"{hint}known are {', '.join(known)}")


class Registry(Generic[T]):
    """Mapping of names to classes, filled by the `register` decorators in the modules of one package.

    The modules are imported at the first look-up, so importing `ser` stays fast.

    Args:
        kind: of the classes, for error messages.
        package: dotted name of the package that holds them.
    """

    def __init__(self, kind: str, package: str) -> None:
        self._kind = kind
        self._package = package
        self._members: dict[str, T] = {}
        self._discovered = False

    def register(self, name: str) -> Callable[[M], M]:
        """Class decorator that registers the class under `name`.

        Raises:
            ValueError: at decoration, if a class of another module has this name.
        """

        def add_member(member: M) -> M:
            present = self._members.get(name)
            if present is not None and cast(Any, present).__module__ != member.__module__:
                raise ValueError(f"{self._kind} '{name}' is registered twice")
            self._members[name] = cast(T, member)
            return member

        return add_member

    def __getitem__(self, name: str) -> T:
        self._discover()
        if name not in self._members:
            raise describe_unknown_name(self._kind, name, self.names())
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def names(self) -> list[str]:
        """All registered names, sorted."""
        self._discover()
        return sorted(self._members)

    def _discover(self) -> None:
        if self._discovered:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
        self._discovered = True
