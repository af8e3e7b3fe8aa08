"""The splits by name: who, or what is said, is in which part, read from `cremad.toml`."""

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ser.corpora.base import Clip
from ser.corpora.cremad import SENTENCES, SPEAKERS
from ser.errors import UserError
from ser.splits.partition import Claim, Kind, kind_of

Members = dict[str, frozenset[str]]


@dataclass(frozen=True)
class Lists:
    """Validation and test members of each fold out of `everyone`; training is everyone else. One fold serves all."""

    everyone: frozenset[str]
    folds: tuple[tuple[frozenset[str], frozenset[str]], ...]

    def members(self, fold: int, _: Iterable[str] = ()) -> Members:
        """The members of each part in one fold, whoever is there."""
        validation, test = self.folds[fold % len(self.folds)]
        return {"train": self.everyone - validation - test, "validation": validation, "test": test}


@dataclass(frozen=True)
class BalancedFolds:
    """Folds over those who are there: in the order of their names they are dealt to the folds in turn."""

    n_folds: int

    def members(self, fold: int, there: Iterable[str]) -> Members:
        """The members of each part in one fold: fold k is tested, the next, cyclically, validates."""
        ranked = sorted(set(there))
        hands = [frozenset(ranked[first :: self.n_folds]) for first in range(self.n_folds)]
        test, validation = hands[fold], hands[(fold + 1) % self.n_folds]
        return {"train": frozenset(ranked) - validation - test, "validation": validation, "test": test}


@dataclass(frozen=True)
class Manifest:
    """One split: its rules, where they come from, and clips that take no part.

    Attributes:
        speakers: rule for speakers, or None where they do not matter.
        sentences: rule for sentences, or None where they do not matter. Without any rule clips are drawn by chance.
        digest: SHA-256 of all that the manifest says.
    """

    name: str
    version: int
    source: str
    speakers: Lists | BalancedFolds | None
    sentences: Lists | None
    left_out: frozenset[str]
    digest: str

    @property
    def n_folds(self) -> int:
        """How many folds it has."""
        if isinstance(self.speakers, BalancedFolds):
            return self.speakers.n_folds
        return 1 if self.speakers is None else len(self.speakers.folds)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What no two parts share."""
        rules: dict[Claim, Lists | BalancedFolds | None] = {"speaker": self.speakers, "sentence": self.sentences}
        return tuple(claim for claim, rule in rules.items() if rule is not None)

    @property
    def kind(self) -> Kind:
        """What the split can claim."""
        return kind_of(self.claims)

    def members(self, claim: Claim, clips: Sequence[Clip], fold: int) -> Members:
        """The speakers or sentences of each part.

        Raises:
            UserError: too few speakers are there for its folds.
        """
        rule = self.speakers if claim == "speaker" else self.sentences
        assert rule is not None
        there = {getattr(clip, claim) for clip in clips}
        if isinstance(rule, BalancedFolds) and len(there) < rule.n_folds:
            raise UserError(f"{self.name} needs at least {rule.n_folds} speakers, found {len(there)}: use assignment")
        return rule.members(fold, there)

    def __str__(self) -> str:
        return f"{self.name} version {self.version} ({self.digest[:12]})"


@cache
def load_manifests() -> dict[str, Manifest]:
    """All manifests by the name of their split."""
    tables = tomllib.loads(Path(__file__).with_name("cremad.toml").read_text(encoding="utf-8"))
    return {name: _manifest(name, table) for name, table in tables.items()}


def _manifest(name: str, table: dict[str, Any]) -> Manifest:
    sentences = table.get("sentences")
    content = json.dumps({"name": name, **table}, sort_keys=True)
    return Manifest(
        name=name,
        version=table["version"],
        source=table["source"],
        speakers=_speakers(table),
        sentences=None if sentences is None else Lists(frozenset(SENTENCES), (_pair(sentences, _words),)),
        left_out=frozenset(table.get("left_out", ())),
        digest=hashlib.sha256(content.encode()).hexdigest(),
    )


def _speakers(table: dict[str, Any]) -> Lists | BalancedFolds | None:
    if "dealt" in table:
        return BalancedFolds(table["dealt"])
    if "folds" in table:
        tests = [_actors(ranges) for ranges in table["folds"]]
        return Lists(frozenset(SPEAKERS), tuple(zip(tests[1:] + tests[:1], tests, strict=True)))
    return Lists(frozenset(SPEAKERS), (_pair(table, _actors),)) if "test" in table else None


def _pair(table: Mapping[str, str], read: Callable[[str], frozenset[str]]) -> tuple[frozenset[str], frozenset[str]]:
    return read(table["validation"]), read(table["test"])


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _actors(ranges: str) -> frozenset[str]:
    return frozenset(actor for text in ranges.split() for actor in _range(text.split("-")))


def _range(ends: list[str]) -> Iterable[str]:
    return (str(actor) for actor in range(int(ends[0]), int(ends[-1]) + 1))
