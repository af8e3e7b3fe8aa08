"""The speaker-independent splits of CREMA-D: which actor is in which part, read from `cremad.toml`."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ser.corpora.cremad import SPEAKERS


@dataclass(frozen=True)
class Manifest:
    """The validation and test actors of each fold, where the lists come from, and clips that take no part."""

    source: str
    folds: tuple[tuple[frozenset[str], frozenset[str]], ...]
    left_out: frozenset[str]

    def actors(self, fold: int) -> dict[str, frozenset[str]]:
        """The actors of each part in one fold."""
        validation, test = self.folds[fold]
        return {"train": frozenset(SPEAKERS) - validation - test, "validation": validation, "test": test}


@cache
def manifests() -> dict[str, Manifest]:
    """All manifests by the name of their split."""
    tables = tomllib.loads(Path(__file__).with_name("cremad.toml").read_text(encoding="utf-8"))
    return {name: _manifest(table) for name, table in tables.items()}


def _manifest(table: dict[str, Any]) -> Manifest:
    left_out = frozenset(table.get("left_out", ()))
    if "folds" not in table:
        return Manifest(table["source"], ((_actors(table["validation"]), _actors(table["test"])),), left_out)
    tests = [_actors(ranges) for ranges in table["folds"]]
    validations = tests[1:] + tests[:1]
    return Manifest(table["source"], tuple(zip(validations, tests, strict=True)), left_out)


def _actors(ranges: str) -> frozenset[str]:
    return frozenset(actor for text in ranges.split() for actor in _range(text.split("-")))


def _range(ends: list[str]) -> Iterable[str]:
    return (str(actor) for actor in range(int(ends[0]), int(ends[-1]) + 1))
