"""What a worker does with a batch of clips: read each, look it up in the store, compute what is missing.

A module of its own, because a worker imports what its tasks come from: no torch here, so that the first clip is out
soon after the worker has started.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ser.audio import LARGEST_BYTES, AudioError, AudioFacts, decode, digest_of, facts
from ser.corpora.locations import read_bytes
from ser.features.entry import Entry
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore


@dataclass(frozen=True)
class Sound:
    """A clip to look at: where its file lies, and its bytes where they were sent along."""

    name: str
    location: str
    data: bytes | None = None


@dataclass(frozen=True)
class BatchResult:
    """What was found in the sound of some clips, by their names.

    Attributes:
        facts: of those whose features are in the store now.
        unusable: why others cannot be used.
        unread: why the files of others cannot be read on this machine; another may read them.
        n_computed: clips whose features had to be computed.
    """

    facts: dict[str, AudioFacts] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    n_computed: int = 0


@dataclass(frozen=True)
class Extraction:
    """What was found in the sound of clips: facts by name, why some cannot be used, how many were computed."""

    facts: dict[str, AudioFacts]
    unusable: dict[str, str]
    n_computed: int

    @property
    def n_clips(self) -> int:
        """Clips that were looked at."""
        return len(self.facts) + len(self.unusable)

    def extended(self, part: BatchResult) -> "Extraction":
        """The same with what was found in further clips; what `part` has unread is unusable."""
        return Extraction(
            {**self.facts, **part.facts},
            {**self.unusable, **part.unusable, **part.unread},
            self.n_computed + part.n_computed,
        )


def extract_batch(sounds: Sequence[Sound], store: FeatureStore, pipeline: Pipeline, whole: bool) -> BatchResult:
    """Make sure that the store holds the features of some clips.

    Args:
        sounds: of the clips.
        store: of features.
        pipeline: what to compute.
        whole: compare the checksums of entries that are there.

    Raises:
        UserError: the store cannot be written.
    """
    found: dict[str, AudioFacts] = {}
    unusable: dict[str, str] = {}
    unread: dict[str, str] = {}
    n_computed = 0
    for sound in sounds:
        try:
            data = read_sound(sound.location) if sound.data is None else sound.data
            found[sound.name], computed = _ensure(data, store, pipeline, whole)
            n_computed += computed
        except AudioError as error:
            unusable[sound.name] = str(error)
        except OSError as error:
            unread[sound.name] = describe_read_error(error)
    return BatchResult(found, unusable, unread, n_computed)


def read_sound(location: str) -> bytes:
    """The bytes of a sound file.

    Raises:
        AudioError: it is too large to be a clip.
        OSError: it cannot be read.
    """
    data = read_bytes(location, at_most=LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise AudioError(f"the file holds more than {LARGEST_BYTES / 1e6:g} MB, no clip does: cut it into utterances")
    return data


def describe_read_error(error: OSError) -> str:
    """What a user is told of a file that cannot be read."""
    return f"cannot be read ({error.strerror or error}): check the file and its permissions"


def _ensure(data: bytes, store: FeatureStore, pipeline: Pipeline, whole: bool) -> tuple[AudioFacts, bool]:
    """The facts of a clip whose features are in the store now, and whether they had to be computed."""
    digest = digest_of(data)
    key = store.key(digest, pipeline.digest)
    found = _found(store, key, whole)
    if found is not None:
        return found, False
    wave = decode(data)
    found = facts(wave, digest=digest)
    store.write(key, Entry(found, pipeline.pack(pipeline.compute(wave))))
    return found, True


def _found(store: FeatureStore, key: str, whole: bool) -> AudioFacts | None:
    if not whole:
        return store.facts(key)
    entry = store.read(key)
    return None if entry is None else entry.facts
