"""The two feature spaces: what is stored of a clip, and which part of it a network sees."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import field
from functools import lru_cache
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ser.audio import SAMPLE_RATE_HZ
from ser.features.base import FEATURES, Feature, Framing, Rows, Spectra
from ser.settings.declaration import all_settings, settings
from ser.settings.ranges import Floats, Ints, Subset, Value

_DOCUMENTED = ("zero_crossing_rate", "energy", "mfcc", "chroma", "spectral_contrast", "mel")
_SEARCHED = (
    "all",
    "mel",
    "mfcc",
    "mfcc+mel",
    "zero_crossing_rate+energy+mfcc+mel",
    "zero_crossing_rate+energy+mfcc+chroma+spectral_contrast",
)
_NOT_STORED = ("families", "duration_s")


@lru_cache
def family_names() -> tuple[str, ...]:
    """The registered families in the order of their rows: the six documented ones first, then any others."""
    return (*_DOCUMENTED, *(name for name in FEATURES if name not in _DOCUMENTED))


@lru_cache
def family_range() -> Subset:
    """The choices of families that may be made, and those that a search makes."""
    return Subset(family_names(), _SEARCHED)


def _default_families() -> Mapping[str, Feature]:
    return {name: FEATURES[name]() for name in family_names()}


@settings
class FrameSpace:
    """The 1-D space: rows of all families, stacked; the chosen ones are the channels of a 1-D network."""

    dimensions: ClassVar[Literal[1]] = 1
    # To be raised with every change to the numbers. 3: energy is the sum of squares in dB, not their root mean.
    version: ClassVar[int] = 3

    framing: Framing = Framing()
    duration_s: Annotated[float, Floats(0.5, 10.0, searched=False)] = 3.0
    # In quotes, so that the features are looked for when a space is made, not while this module is imported.
    families: "Annotated[str, family_range()]" = "all"
    family: Mapping[str, Feature] = field(default_factory=_default_families)

    @property
    def layout(self) -> dict[str, int]:
        """Rows of each family, in the order in which they are stored."""
        return {name: self.family[name].n_rows for name in family_names()}

    @property
    def n_rows(self) -> int:
        """Stored rows."""
        return sum(self.layout.values())

    def columns(self, family: str) -> slice:
        """Positions of one family's rows among the stored ones."""
        names = family_names()
        start = sum(self.layout[name] for name in names[: names.index(family)])
        return slice(start, start + self.layout[family])

    @property
    def n_channels(self) -> int:
        """Rows that the network sees."""
        return len(self.selected_rows)

    @property
    def selected_rows(self) -> NDArray[np.int64]:
        """Positions of the chosen families' rows among the stored ones, (n_channels,)."""
        chosen = family_range().chosen(self.families)
        return np.flatnonzero(np.repeat([name in chosen for name in self.layout], list(self.layout.values())))

    @property
    def n_frames(self) -> int:
        """Frames that the network sees."""
        return self.framing.n_frames(round(self.duration_s * SAMPLE_RATE_HZ))

    def compute(self, spectra: Spectra) -> Rows:
        """All families of one clip, (T, n_rows) float32."""
        rows = np.empty((spectra.n_frames, self.n_rows), np.float32)
        start = 0
        for name, n_rows in self.layout.items():
            rows[:, start : start + n_rows] = self.family[name].compute(spectra)
            start += n_rows
        return rows


@settings
class MelSpace:
    """The 2-D space: the log-mel spectrogram as a picture of one channel."""

    dimensions: ClassVar[Literal[2]] = 2
    version: ClassVar[int] = 2
    n_channels: ClassVar[int] = 1

    framing: Framing = Framing()
    duration_s: Annotated[float, Floats(0.5, 10.0, searched=False)] = 3.0
    n_mels: Annotated[int, Ints(16, 128, searched=False)] = 64

    @property
    def n_rows(self) -> int:
        """Stored rows: mel bands."""
        return self.n_mels

    @property
    def selected_rows(self) -> NDArray[np.int64]:
        """Positions of the bands that the network sees: all, (n_mels,)."""
        return np.arange(self.n_mels)

    @property
    def n_frames(self) -> int:
        """Frames that the network sees."""
        return self.framing.n_frames(round(self.duration_s * SAMPLE_RATE_HZ))

    def compute(self, spectra: Spectra) -> Rows:
        """The log-mel spectrogram of one clip in dB relative to full scale, (T, n_mels) float32."""
        return spectra.log_mel(self.n_mels)


FeatureSpace = FrameSpace | MelSpace


def space_for(dimensions: Literal[1, 2]) -> FeatureSpace:
    """The space of 1-D or of 2-D networks with its default settings."""
    return FrameSpace() if dimensions == 1 else MelSpace()


def stored_name(space: FeatureSpace) -> str:
    """Names what is stored of clips in a space: '2d-' and a digest of the settings that it depends on."""
    content = json.dumps(stored_settings(space), sort_keys=True)
    return f"{space.dimensions}d-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def stored_settings(space: FeatureSpace) -> dict[str, Value]:
    """The settings, by dotted name, that determine what is stored of a clip."""
    return {setting.name: setting.value for setting in all_settings(space) if setting.name not in _NOT_STORED}
