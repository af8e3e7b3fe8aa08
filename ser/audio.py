"""The only place that decodes sound: bytes in, mono float32 at 16 kHz out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000

Wave = NDArray[np.float32]


class AudioError(ValueError):
    """Sound that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class AudioFacts:
    """What later steps need to know of a clip without decoding it again."""

    digest: str
    n_samples: int
    peak: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / SAMPLE_RATE_HZ
