"""The contract of a corpus: what a clip is, and what a scan of a folder gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Protocol

from ser.registry import Registry
from ser.space import Choice, Text, settings


class CorpusError(ValueError):
    """A folder that does not hold the corpus; the message says what was found and what to do."""


@dataclass(frozen=True)
class Clip:
    """One recording and what its file name says of it."""

    name: str
    path: Path
    speaker: str
    sentence: str
    emotion: str
    intensity: str


@dataclass(frozen=True)
class Scan:
    """What was found in a corpus folder: clips in order of name, and names that do not fit the grammar."""

    clips: tuple[Clip, ...]
    misnamed: tuple[str, ...]


class Corpus(Protocol):
    """A data set: its classes, its published size, and how to find its clips in a folder."""

    emotions: ClassVar[tuple[str, ...]]
    n_published_clips: ClassVar[int]
    n_published_speakers: ClassVar[int]

    def scan(self, folder: Path) -> Scan:
        """Find the clips below `folder`.

        Raises:
            CorpusError: missing or empty folder, or nothing in it that fits.
        """
        ...


@settings
class CorpusChoice:
    """Which corpus, and whether its known faults are left out."""

    name: Annotated[str, Text()] = "cremad"
    known_faults: Annotated[str, Choice(("drop", "keep"), searched=False)] = "drop"


CORPORA: Registry[type[Corpus]] = Registry("corpus", "ser.corpora")


def describe(corpus: type[Corpus], clips: Sequence[Clip]) -> str:
    """What was found against what was published: '4,573 of 7,442 clips, 56 of 91 speakers'."""
    speakers = len({clip.speaker for clip in clips})
    return f"{len(clips):,} of {corpus.n_published_clips:,} clips, {speakers} of {corpus.n_published_speakers} speakers"
