"""Feature spaces, 1-D and 2-D: the rows that are stored of a clip, and the part of them that is input of a network."""

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
    """Registered families in the order of their rows: the six documented ones first, then any others."""
    return (*_DOCUMENTED, *(name for name in FEATURES if name not in _DOCUMENTED))


@lru_cache
def family_range() -> Subset:
    """Range of the setting `families`: all allowed subsets, and those that a search samples from."""
    return Subset(family_names(), _SEARCHED)


def _default_families() -> Mapping[str, Feature]:
    return {name: FEATURES[name]() for name in family_names()}


@settings
class FrameSpace:
    """1-D space: rows of all families, stacked; the selected ones are the channels of a 1-D network."""

    dimensions: ClassVar[Literal[1]] = 1
    # To be raised with every change to the numbers. 3: energy is the sum of squares in dB, not their root mean.
    version: ClassVar[int] = 3

    framing: Framing = Framing()
    duration_s: Annotated[float, Floats(0.5, 10.0, searched=False)] = 3.0
    # In quotes, so that features are imported when a space is created, not while this module is imported.
    families: "Annotated[str, family_range()]" = "all"
    family: Mapping[str, Feature] = field(default_factory=_default_families)

    @property
    def layout(self) -> dict[str, int]:
        """Number of rows of each family, in the order in which they are stored."""
        return {name: self.family[name].n_rows for name in family_names()}

    @property
    def n_rows(self) -> int:
        """Number of stored rows."""
        return sum(self.layout.values())

    def columns(self, family: str) -> slice:
        """Positions of one family's rows among the stored ones."""
        names = family_names()
        start = sum(self.layout[name] for name in names[: names.index(family)])
        return slice(start, start + self.layout[family])

    @property
    def n_channels(self) -> int:
        """Number of rows in the input of the network."""
        return len(self.selected_rows)

    @property
    def selected_rows(self) -> NDArray[np.int64]:
        """Positions of the selected families' rows among the stored ones, (n_channels,)."""
        selected = family_range().select_members(self.families)
        return np.flatnonzero(np.repeat([name in selected for name in self.layout], list(self.layout.values())))

    @property
    def n_frames(self) -> int:
        """Number of frames in the input of the network."""
        return self.framing.n_frames(round(self.duration_s * SAMPLE_RATE_HZ))

    def compute(self, spectra: Spectra) -> Rows:
        """Compute all families of one clip, (T, n_rows) float32."""
        rows = np.empty((spectra.n_frames, self.n_rows), np.float32)
        start = 0
        for name, n_rows in self.layout.items():
            rows[:, start : start + n_rows] = self.family[name].compute(spectra)
            start += n_rows
        return rows


@settings
class MelSpace:
    """2-D space: the log-mel spectrogram as an image of one channel."""

    dimensions: ClassVar[Literal[2]] = 2
    version: ClassVar[int] = 2
    n_channels: ClassVar[int] = 1

    framing: Framing = Framing()
    duration_s: Annotated[float, Floats(0.5, 10.0, searched=False)] = 3.0
    n_mels: Annotated[int, Ints(16, 128, searched=False)] = 64

    @property
    def n_rows(self) -> int:
        """Number of stored rows, the mel bands."""
        return self.n_mels

    @property
    def selected_rows(self) -> NDArray[np.int64]:
        """Positions of the bands in the input of the network: all, (n_mels,)."""
        return np.arange(self.n_mels)

    @property
    def n_frames(self) -> int:
        """Number of frames in the input of the network."""
        return self.framing.n_frames(round(self.duration_s * SAMPLE_RATE_HZ))

    def compute(self, spectra: Spectra) -> Rows:
        """Compute the log-mel spectrogram of one clip in dB relative to full scale, (T, n_mels) float32."""
        return spectra.log_mel(self.n_mels)


FeatureSpace = FrameSpace | MelSpace


def make_default_space(dimensions: Literal[1, 2]) -> FeatureSpace:
    """Create the space of 1-D or of 2-D networks with its default settings."""
    return FrameSpace() if dimensions == 1 else MelSpace()


def name_stored_features(space: FeatureSpace) -> str:
    """Name of the stored features of a space: '1d-' or '2d-' and a digest of the settings that they depend on."""
    content = json.dumps(stored_settings(space), sort_keys=True)
    return f"{space.dimensions}d-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def stored_settings(space: FeatureSpace) -> dict[str, Value]:
    """Settings, by dotted name, that determine the stored features of a clip."""
    return {setting.name: setting.value for setting in all_settings(space) if setting.name not in _NOT_STORED}
