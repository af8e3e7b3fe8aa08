"""What a model has heard in training, and what of a clip lies outside: length, level, clipping."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ser.audio import SAMPLE_RATE_HZ, AudioFacts, Wave

_FULL_SCALE = 0.99
# Our choice: of 4,573 clips of CREMA-D, whose loudest recordings are cut off, 12 have a larger share.
_MOST_AT_FULL_SCALE = 0.01


@dataclass(frozen=True)
class InputRange:
    """The range of the training clips: seconds, and the smallest of their highest samples, full scale being 1."""

    shortest_s: float
    longest_s: float
    quietest_peak: float

    def warning(self, wave: Wave) -> str:
        """What makes a clip, (N,) at 16 kHz, unlike every training clip, in words; '' if nothing does."""
        return "; ".join(said for said in (self._length(wave), self._level(wave), _clipping(wave)) if said)

    def _length(self, wave: Wave) -> str:
        seconds = len(wave) / SAMPLE_RATE_HZ
        if self.shortest_s <= seconds <= self.longest_s:
            return ""
        unlike = "shorter" if seconds < self.shortest_s else "longer"
        lasted = f"{self.shortest_s:.2f} to {self.longest_s:.2f} s"
        return f"{unlike} than every training clip: {seconds:.2f} s, they lasted {lasted}"

    def _level(self, wave: Wave) -> str:
        peak = float(np.abs(wave).max())
        if peak >= self.quietest_peak:
            return ""
        return f"quieter than every training clip: peak at {_db(peak)} dB, theirs at {_db(self.quietest_peak)} or more"


def measure_input_range(clips: Sequence[AudioFacts]) -> InputRange:
    """The range of the training clips, at least one."""
    lengths = [clip.n_samples / SAMPLE_RATE_HZ for clip in clips]
    return InputRange(min(lengths), max(lengths), min(clip.peak for clip in clips))


def _clipping(wave: Wave) -> str:
    share = float((np.abs(wave) >= _FULL_SCALE).mean())
    return f"clipped: {100 * share:.1f} % of the samples are at full scale" if share > _MOST_AT_FULL_SCALE else ""


def _db(amplitude: float) -> str:
    return f"{20 * math.log10(amplitude):.1f}" if amplitude else "-inf"
