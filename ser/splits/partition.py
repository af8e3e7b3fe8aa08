"""What a split gives: three parts of a corpus."""

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
"""What no two parts of a split of each kind share."""


@dataclass(frozen=True)
class Partition:
    """Positions of the clips of each part, ascending, and a digest of which clip is where."""

    name: str
    kind: Kind
    fold: int
    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    digest: str

    @property
    def parts(self) -> dict[str, tuple[int, ...]]:
        """The three parts by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def kind_of(claims: Sequence[Claim]) -> Kind:
    """The kind of a split whose parts share none of `claims`."""
    return next(kind for kind, claimed in CLAIMS.items() if claimed == tuple(claims))


def digest_of(parts: dict[str, tuple[int, ...]], clips: Sequence[Clip]) -> str:
    """SHA-256 over the names of the parts and of their clips; the order of `clips` does not matter."""
    lines = (line for part in PART_NAMES for line in (part, *sorted(clips[at].name for at in parts[part]), ""))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
