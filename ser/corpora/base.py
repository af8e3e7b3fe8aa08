"""The contract of a corpus: what a clip is, and what a scan of a folder gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Protocol

from ser.corpora.locations import Location
from ser.errors import UserError
from ser.settings.declaration import settings
from ser.settings.ranges import Choice, Text
from ser.settings.registry import Registry

# The classes of CREMA-D, which the other corpora are mapped to.
SIX_EMOTIONS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")


class CorpusError(UserError):
    """A folder that does not hold the corpus; the message says what was found and what to do."""


@dataclass(frozen=True)
class Clip:
    """One recording, where it lies (a local path or a URL), and what its file name says of it."""

    name: str
    location: str
    speaker: str
    sentence: str
    emotion: str
    intensity: str


@dataclass(frozen=True)
class Scan:
    """What was found in a corpus folder.

    Attributes:
        clips: in order of name.
        misnamed: names of sound files that do not fit the grammar.
        left_out: reason -> names of what fits and is no clip all the same.
    """

    clips: tuple[Clip, ...]
    misnamed: tuple[str, ...]
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Corpus(Protocol):
    """A data set: its classes, its published size in these classes, and how to find its clips in a folder."""

    emotions: ClassVar[tuple[str, ...]]
    n_published_clips: ClassVar[int]
    n_published_speakers: ClassVar[int]

    def scan(self, folder: Location) -> Scan:
        """Find the clips below `folder`, a local path or a URL.

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
