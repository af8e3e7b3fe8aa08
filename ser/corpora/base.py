"""Contract of a corpus: its clips, and the result of scanning a folder for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Protocol

from ser.corpora.locations import Location
from ser.errors import UserError
from ser.settings.declaration import settings
from ser.settings.ranges import Choice, Text
from ser.settings.registry import Registry

# The classes of CREMA-D. The classes of the other corpora are mapped to them.
SIX_EMOTIONS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")


class CorpusError(UserError):
    """Folder or table that does not hold the corpus it should."""


@dataclass(frozen=True)
class Clip:
    """One recording: its name, its location (a local path or a URL), and the labels in its file name."""

    name: str
    location: str
    speaker: str
    sentence: str
    emotion: str
    intensity: str


@dataclass(frozen=True)
class Scan:
    """Result of scanning a corpus folder.

    Attributes:
        clips: in order of name.
        misnamed: names of sound files that do not fit the grammar.
        excluded: reason -> names of files that fit the grammar but are not used.
    """

    clips: tuple[Clip, ...]
    misnamed: tuple[str, ...]
    excluded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Corpus(Protocol):
    """Data set: its classes, its published size in these classes, and a scan that finds its clips in a folder."""

    emotions: ClassVar[tuple[str, ...]]
    n_published_clips: ClassVar[int]
    n_published_speakers: ClassVar[int]

    def scan(self, folder: Location) -> Scan:
        """Find the clips below `folder`, a local path or a URL.

        Raises:
            CorpusError: missing or empty folder, or no file in it that fits.
        """
        ...


@settings
class CorpusChoice:
    """Name of the corpus, and the treatment of its known faults: `drop` excludes faulty clips."""

    name: Annotated[str, Text()] = "cremad"
    known_faults: Annotated[str, Choice(("drop", "keep"), searched=False)] = "drop"


CORPORA: Registry[type[Corpus]] = Registry("corpus", "ser.corpora")


def describe_completeness(corpus: type[Corpus], clips: Sequence[Clip]) -> str:
    """Clips and speakers found, of those published: '4,573 of 7,442 clips, 56 of 91 speakers'."""
    speakers = len({clip.speaker for clip in clips})
    return f"{len(clips):,} of {corpus.n_published_clips:,} clips, {speakers} of {corpus.n_published_speakers} speakers"
