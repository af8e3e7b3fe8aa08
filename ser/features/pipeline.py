"""All features of a clip in one pass: one short-time Fourier transform serves both spaces.

Where the time of a clip of 2.9 s goes, in ms on one core of an AMD EPYC (busy; fastest of 20 rounds over 60 clips), and
where it went in version 1 of the code:

    transform to power 0.42 (0.42), contrast 0.14 (0.19), half of it sorting, tuning 0.13 (0.16), mel in dB 0.08 (0.08),
    zero crossings 0.04 (0.06), chroma without tuning 0.03 (0.04), energy 0.01 (0.02), framing 0.01 (0.01),
    mfcc 0.01 (0.01), in all 0.86 (0.98); decoding the WAV file comes on top, 0.15.

The transform is in double precision. scipy's in single would save 0.15 ms, but contrast then differs by up to 6e-3 of
its scale (16 of 229 real clips beyond 1e-4), numpy's saves nothing and differs by up to 1e-3. In single, and again in
double for the tenth of the frames whose valleys are deepest, would save 0.08 and come within 6e-5 instead of 3e-7.
tests/benchmarks/bench_features.py compares all with librosa's functions.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property

from threadpoolctl import ThreadpoolController

from ser.audio import Wave
from ser.features.base import Rows, Spectra
from ser.features.spaces import FrameSpace, MelSpace, stored_settings

FORM_VERSION = 3
"""To be raised with every change to the form on disk: entries of another form are not found."""


@dataclass(frozen=True)
class Pipeline:
    """Features that are computed and stored of every clip."""

    frame_space: FrameSpace = field(default_factory=FrameSpace)
    mel_space: MelSpace = field(default_factory=MelSpace)

    @cached_property
    def digest(self) -> str:
        """Names the numbers: the same digest means the same features of the same sound."""
        frame, mel = self.frame_space, self.mel_space
        content = [
            [FORM_VERSION, frame.version, mel.version],
            list(frame.layout.items()),
            stored_settings(frame),
            stored_settings(mel),
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def compute(self, wave: Wave) -> dict[str, Rows]:
        """The features of one clip, mono at 16 kHz: "1d", (T, R), and "2d", (T, M), float32.

        Of one thread, whatever the process may use: matrix products differ in their last bits with the number of them.
        """
        with _matrix_products().limit(limits=1):
            spectra = Spectra(wave, self.frame_space.framing)
            same = self.mel_space.framing == spectra.framing
            return {
                "1d": self.frame_space.compute(spectra),
                "2d": self.mel_space.compute(spectra if same else Spectra(wave, self.mel_space.framing)),
            }

    @property
    def shared_columns(self) -> slice | None:
        """Columns of the 1-D space that are the 2-D space; None where framing or number of mel bands differ."""
        frame, mel = self.frame_space, self.mel_space
        same = (frame.framing, frame.layout["mel"]) == (mel.framing, mel.n_mels)
        return frame.columns("mel") if same else None

    def pack(self, features: Mapping[str, Rows]) -> dict[str, Rows]:
        """The features to be stored: without the 2-D space where the 1-D space contains it, which saves 38 %."""
        return {name: rows for name, rows in features.items() if name == "1d" or self.shared_columns is None}

    def unpack(self, stored: Mapping[str, Rows]) -> dict[str, Rows]:
        """The features that were packed. The 2-D space is a copy, so that it can be kept without the 1-D space."""
        shared = self.shared_columns
        return dict(stored) if shared is None else {"1d": stored["1d"], "2d": stored["1d"][:, shared].copy()}


@cache
def _matrix_products() -> ThreadpoolController:
    """The libraries of this process that compute them."""
    found: ThreadpoolController = ThreadpoolController().select(user_api="blas")
    return found
