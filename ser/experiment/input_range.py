"""Training input range of a model, and warnings for clips outside it: length, level, clipping."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ser.audio import SAMPLE_RATE_HZ, AudioFacts, Wave

_FULL_SCALE = 0.99
# Our choice: 12 of 4,573 clips of CREMA-D, whose loudest recordings are clipped, have a larger share.
_MOST_AT_FULL_SCALE = 0.01


@dataclass(frozen=True)
class InputRange:
    """Range of the training clips.

    Attributes:
        shortest_s: shortest duration, in seconds.
        longest_s: longest duration, in seconds.
        quietest_peak: lowest peak of a clip, full scale being 1.
    """

    shortest_s: float
    longest_s: float
    quietest_peak: float

    def warning(self, wave: Wave) -> str:
        """Describe the ways in which a clip, (N,) at 16 kHz, differs from every training clip; '' for none."""
        warnings = (self._check_length(wave), self._check_level(wave), _check_clipping(wave))
        return "; ".join(warning for warning in warnings if warning)

    def _check_length(self, wave: Wave) -> str:
        seconds = len(wave) / SAMPLE_RATE_HZ
        if self.shortest_s <= seconds <= self.longest_s:
            return ""
        comparison = "shorter" if seconds < self.shortest_s else "longer"
        durations = f"{self.shortest_s:.2f} to {self.longest_s:.2f} s"
        return f"{comparison} than every training clip: {seconds:.2f} s, they lasted {durations}"

    def _check_level(self, wave: Wave) -> str:
        peak = float(np.abs(wave).max())
        if peak >= self.quietest_peak:
            return ""
        lowest = _format_db(self.quietest_peak)
        return f"quieter than every training clip: peak at {_format_db(peak)} dB, theirs at {lowest} or more"


def measure_input_range(clips: Sequence[AudioFacts]) -> InputRange:
    """Measure the range of the training clips, of which there must be at least one."""
    lengths = [clip.n_samples / SAMPLE_RATE_HZ for clip in clips]
    return InputRange(min(lengths), max(lengths), min(clip.peak for clip in clips))


def _check_clipping(wave: Wave) -> str:
    share = float((np.abs(wave) >= _FULL_SCALE).mean())
    return f"clipped: {100 * share:.1f} % of the samples are at full scale" if share > _MOST_AT_FULL_SCALE else ""


def _format_db(amplitude: float) -> str:
    return f"{20 * math.log10(amplitude):.1f}" if amplitude else "-inf"
