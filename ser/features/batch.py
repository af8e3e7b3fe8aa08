"""Extraction of a batch of clips in one worker: read each clip, look it up in the store, compute missing features.

A separate module without torch, because a worker imports the module of its task, and must process its first clip soon
after it has started.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ser.audio import LARGEST_BYTES, AudioError, AudioFacts, decode, digest_of, facts
from ser.corpora.locations import read_bytes
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore
from ser.features.stored_clip import Entry


@dataclass(frozen=True)
class Sound:
    """Sound file of a clip: name and location, and its bytes if they were sent with the task."""

    name: str
    location: str
    data: bytes | None = None


@dataclass(frozen=True)
class BatchResult:
    """Result of the extraction of a batch, by names of clips.

    Attributes:
        facts: facts of the clips whose features are in the store now.
        unusable: reasons of the clips that cannot be used.
        unread: reasons of the clips whose files cannot be read on this machine; another one may read them.
        n_computed: number of clips whose features were not in the store before.
    """

    facts: dict[str, AudioFacts] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    n_computed: int = 0


@dataclass(frozen=True)
class Extraction:
    """Result of the extraction of a corpus, by names of clips.

    Attributes:
        facts: facts of the clips whose features are in the store now.
        unusable: reasons of the clips that cannot be used.
        n_computed: number of clips whose features were not in the store before.
    """

    facts: dict[str, AudioFacts]
    unusable: dict[str, str]
    n_computed: int

    @property
    def n_clips(self) -> int:
        """Number of clips processed so far."""
        return len(self.facts) + len(self.unusable)

    def add(self, part: BatchResult) -> "Extraction":
        """Extraction with the result of one more batch; clips that it could not read are unusable."""
        return Extraction(
            {**self.facts, **part.facts},
            {**self.unusable, **part.unusable, **part.unread},
            self.n_computed + part.n_computed,
        )


def extract_batch(sounds: Sequence[Sound], store: FeatureStore, pipeline: Pipeline, whole: bool) -> BatchResult:
    """Compute and store the features of the clips of a batch that the store does not hold yet.

    Args:
        sounds: sound files of the clips.
        store: store of the features.
        pipeline: features to compute.
        whole: compare the checksums of entries that are there.

    Raises:
        UserError: the store cannot be read or written.
    """
    stored: dict[str, AudioFacts] = {}
    unusable: dict[str, str] = {}
    unread: dict[str, str] = {}
    n_computed = 0
    for sound in sounds:
        try:
            data = read_sound(sound.location) if sound.data is None else sound.data
            stored[sound.name], computed = _store_features(data, store, pipeline, whole)
            n_computed += computed
        except AudioError as error:
            unusable[sound.name] = str(error)
        except OSError as error:
            unread[sound.name] = describe_read_error(error)
    return BatchResult(stored, unusable, unread, n_computed)


def read_sound(location: str) -> bytes:
    """Read the bytes of a sound file.

    Raises:
        AudioError: it is larger than `LARGEST_BYTES`.
        OSError: it cannot be read.
    """
    data = read_bytes(location, at_most=LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise AudioError(f"the file is larger than {LARGEST_BYTES / 1e6:g} MB", "cut it into utterances")
    return data


def describe_read_error(error: OSError) -> str:
    """Reason and remedy for a file that cannot be read, without its name."""
    return f"cannot be read ({error.strerror or error}): check the file and its permissions"


def _store_features(data: bytes, store: FeatureStore, pipeline: Pipeline, whole: bool) -> tuple[AudioFacts, bool]:
    """Store the features of a clip unless they are there: facts of the clip, and True if they were computed."""
    digest = digest_of(data)
    key = store.key(digest, pipeline.digest)
    found = _find_facts(store, key, whole)
    if found is not None:
        return found, False
    wave = decode(data)
    found = facts(wave, digest=digest)
    store.write(key, Entry(found, pipeline.pack(pipeline.compute(wave))))
    return found, True


def _find_facts(store: FeatureStore, key: str, whole: bool) -> AudioFacts | None:
    if not whole:
        return store.facts(key)
    entry = store.read(key)
    return None if entry is None else entry.facts
