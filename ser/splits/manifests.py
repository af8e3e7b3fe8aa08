"""Manifests of the named splits: the speakers and sentences of each part, read from `cremad.toml`."""

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
from ser.splits.partition import Claim, Kind, find_kind

Members = dict[str, frozenset[str]]


@dataclass(frozen=True)
class Lists:
    """Fixed lists of validation and test members for each fold.

    Attributes:
        everyone: all members; those in neither list of a fold are for training.
        folds: validation and test members of each fold; a single pair is used for every fold.
    """

    everyone: frozenset[str]
    folds: tuple[tuple[frozenset[str], frozenset[str]], ...]

    def members(self, fold: int, _: Iterable[str] = ()) -> Members:
        """Members of each part in one fold, those included that the corpus lacks."""
        validation, test = self.folds[fold % len(self.folds)]
        return {"train": self.everyone - validation - test, "validation": validation, "test": test}


@dataclass(frozen=True)
class BalancedFolds:
    """Folds of equal size over the members that are present, assigned in turn in the order of their names."""

    n_folds: int

    def members(self, fold: int, present: Iterable[str]) -> Members:
        """Members of each part: the test part is this fold, the validation part the next one, cyclically."""
        ordered = sorted(set(present))
        groups = [frozenset(ordered[first :: self.n_folds]) for first in range(self.n_folds)]
        test, validation = groups[fold], groups[(fold + 1) % self.n_folds]
        return {"train": frozenset(ordered) - validation - test, "validation": validation, "test": test}


@dataclass(frozen=True)
class Manifest:
    """Manifest of one split: its rules, their source, and excluded clips.

    Attributes:
        name: name of the split.
        version: raised with each change of the rules.
        source: publication of the rules.
        speakers: rule for speakers, or None if the split does not depend on them.
        sentences: rule for sentences, or None if the split does not depend on them. Without any rule the split is
            random.
        excluded: names of clips that are in no part.
        digest: SHA-256 of the content of the manifest.
    """

    name: str
    version: int
    source: str
    speakers: Lists | BalancedFolds | None
    sentences: Lists | None
    excluded: frozenset[str]
    digest: str

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        if isinstance(self.speakers, BalancedFolds):
            return self.speakers.n_folds
        return 1 if self.speakers is None else len(self.speakers.folds)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Properties of clips of which no value is in two parts: speaker, sentence, both or none."""
        rules: dict[Claim, Lists | BalancedFolds | None] = {"speaker": self.speakers, "sentence": self.sentences}
        return tuple(claim for claim, rule in rules.items() if rule is not None)

    @property
    def kind(self) -> Kind:
        """Kind of the split, such as "speaker-independent"."""
        return find_kind(self.claims)

    def members(self, claim: Claim, clips: Sequence[Clip], fold: int) -> Members:
        """Speakers or sentences of each part in one fold.

        Raises:
            UserError: fewer speakers than folds.
        """
        rule = self.speakers if claim == "speaker" else self.sentences
        assert rule is not None
        present = {getattr(clip, claim) for clip in clips}
        if isinstance(rule, BalancedFolds) and len(present) < rule.n_folds:
            raise UserError(
                f"{self.name} needs at least {rule.n_folds} speakers, found {len(present)}", "use assignment"
            )
        return rule.members(fold, present)

    def __str__(self) -> str:
        return f"{self.name} version {self.version} ({self.digest[:12]})"


@cache
def load_manifests() -> dict[str, Manifest]:
    """Load all manifests, by the name of their split."""
    tables = tomllib.loads(Path(__file__).with_name("cremad.toml").read_text(encoding="utf-8"))
    return {name: _parse_manifest(name, table) for name, table in tables.items()}


def _parse_manifest(name: str, table: dict[str, Any]) -> Manifest:
    sentences = table.get("sentences")
    content = json.dumps({"name": name, **table}, sort_keys=True)
    return Manifest(
        name=name,
        version=table["version"],
        source=table["source"],
        speakers=_parse_speakers(table),
        sentences=None if sentences is None else Lists(frozenset(SENTENCES), (_parse_pair(sentences, _parse_words),)),
        excluded=frozenset(table.get("left_out", ())),
        digest=hashlib.sha256(content.encode()).hexdigest(),
    )


def _parse_speakers(table: dict[str, Any]) -> Lists | BalancedFolds | None:
    if "dealt" in table:
        return BalancedFolds(table["dealt"])
    if "folds" in table:
        tests = [_parse_actors(ranges) for ranges in table["folds"]]
        return Lists(frozenset(SPEAKERS), tuple(zip(tests[1:] + tests[:1], tests, strict=True)))
    return Lists(frozenset(SPEAKERS), (_parse_pair(table, _parse_actors),)) if "test" in table else None


def _parse_pair(
    table: Mapping[str, str], read: Callable[[str], frozenset[str]]
) -> tuple[frozenset[str], frozenset[str]]:
    return read(table["validation"]), read(table["test"])


def _parse_words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _parse_actors(ranges: str) -> frozenset[str]:
    return frozenset(actor for text in ranges.split() for actor in _expand_range(text.split("-")))


def _expand_range(ends: list[str]) -> Iterable[str]:
    return (str(actor) for actor in range(int(ends[0]), int(ends[-1]) + 1))
