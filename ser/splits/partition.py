"""Partition of a corpus: its training, validation and test part."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ser.corpora.base import Clip

Kind = Literal["speaker-dependent", "speaker-independent", "sentence-independent", "speaker-and-sentence-independent"]
Claim = Literal["speaker", "sentence"]
PART_NAMES = ("train", "validation", "test")

CLAIMS: dict[Kind, tuple[Claim, ...]] = {
    "speaker-dependent": (),
    "speaker-independent": ("speaker",),
    "sentence-independent": ("sentence",),
    "speaker-and-sentence-independent": ("speaker", "sentence"),
}
"""Properties of which no value is in two parts, by kind of split."""


@dataclass(frozen=True)
class Partition:
    """Three parts of a corpus.

    Attributes:
        name: name of the split.
        kind: kind of the split.
        fold: its fold.
        train: positions of the training clips, ascending; likewise `validation` and `test`.
        digest: result of `digest_parts`.
    """

    name: str
    kind: Kind
    fold: int
    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    digest: str

    @property
    def parts(self) -> dict[str, tuple[int, ...]]:
        """Positions of the clips of each part, by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def find_kind(claims: Sequence[Claim]) -> Kind:
    """Find the kind of a split with these claims."""
    return next(kind for kind, its_claims in CLAIMS.items() if its_claims == tuple(claims))


def digest_parts(parts: dict[str, tuple[int, ...]], clips: Sequence[Clip]) -> str:
    """Compute the SHA-256 of the names of the parts and of their clips; the order of `clips` does not matter."""
    lines = (line for part in PART_NAMES for line in (part, *sorted(clips[at].name for at in parts[part]), ""))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
