"""Speech as it arrives elsewhere than in a studio: in noise, among other voices, over a telephone. N samples.

Every perturbation is a function of the clip's name, the condition and a seed alone. Nothing is rescaled to fit: a sum
beyond full scale stays as it is, as a recorder with room above would have it, so that a lower score comes from the
noise and never from another loudness of the speech. Only the telephone clips, because its code does.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.signal import firwin, oaconvolve  # type: ignore[attr-defined]

from ser.audio import SAMPLE_RATE_HZ, Wave, decode

Kind = Literal["clean", "white", "babble", "telephone"]

SNRS_DB = (20.0, 10.0, 5.0, 0.0)
N_TALKERS = 6
TELEPHONE_RATE_HZ = 8_000
TELEPHONE_BAND_HZ = (300.0, 3400.0)

_BLOCK = round(0.02 * SAMPLE_RATE_HZ)
_MARGIN_DB = 15.9
_N_TAPS = 257


@dataclass(frozen=True)
class Condition:
    """How clips are heard: `snr_db` is of white noise and babble, None of the others."""

    kind: Kind
    snr_db: float | None = None

    @property
    def name(self) -> str:
        """'babble 5 dB', 'telephone'."""
        return self.kind if self.snr_db is None else f"{self.kind} {self.snr_db:g} dB"


CONDITIONS = (
    Condition("clean"),
    *(Condition(kind, snr_db) for kind in ("white", "babble") for snr_db in SNRS_DB),
    Condition("telephone"),
)


def perturb(wave: Wave, condition: Condition, *, name: str, talkers: Sequence[Wave], seed: int = 0) -> Wave:
    """The clip as it is heard under a condition.

    The noise of a clip is the same at every ratio, only louder, so that its curve is of one noise.

    Args:
        wave: the clip, (N,) float32 at 16 kHz.
        condition: one of `CONDITIONS`, or one with another ratio.
        name: of the clip; with the seed it draws the noise.
        talkers: clips of other speakers, for babble.
        seed: another seed, other noise.

    Returns:
        (N,) float32. A silent clip gets no noise: no ratio can be set to it.

    Raises:
        ValueError: babble without talkers.
    """
    if condition.kind == "clean":
        return wave
    if condition.kind == "telephone":
        return telephone(wave)
    assert condition.snr_db is not None
    digest = hashlib.sha256(f"{seed} {condition.kind} {name}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    noise = white_noise(len(wave), rng) if condition.kind == "white" else babble(talkers, len(wave), rng)
    return add_noise(wave, noise, snr_db=condition.snr_db)


def active_rms(wave: Wave) -> float:
    """Root mean square of the speech without its pauses, 0 of silence.

    Pauses would make the same speech count for less, and its noise for less with it. Speech are the blocks of 20 ms
    that are at most 15.9 dB below the level of all such blocks.

    Source:
        ITU-T P.56 (active speech level) and its margin, on blocks instead of an envelope with hangover.
    """
    padded = np.pad(wave.astype(np.float64), (0, -len(wave) % _BLOCK))
    power = np.square(padded).reshape(-1, _BLOCK).mean(axis=1)
    level, before = power.mean(), -1.0
    # Each round leaves out blocks, so the level only rises, and stands still in the end.
    while level > before:
        before, level = level, power[power >= level * 10 ** (-_MARGIN_DB / 10)].mean()
    return float(np.sqrt(level))


def add_noise(wave: Wave, noise: NDArray[np.float64], *, snr_db: float) -> Wave:
    """The clip with noise at a ratio of its active speech to the whole of the noise.

    Args:
        wave: (N,) float32.
        noise: (N,), of any loudness but silence.
        snr_db: ratio in decibels.
    """
    gain = active_rms(wave) / np.sqrt(np.mean(np.square(noise))) / 10 ** (snr_db / 20)
    noisy: Wave = (wave + gain * noise).astype(np.float32)
    return noisy


def white_noise(n_samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise with as much power at every frequency: normal numbers, (N,)."""
    return rng.standard_normal(n_samples)


def babble(talkers: Sequence[Wave], n_samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """All talkers at once, equally loud, each repeated without end and begun at a random place, (N,).

    Raises:
        ValueError: no talker who says anything.
    """
    voices = [(voice, level) for voice in talkers if (level := active_rms(voice)) > 0]
    if not voices:
        raise ValueError("babble needs at least one clip of another speaker that is not silent")
    sum_of_all = np.zeros(n_samples)
    for voice, level in voices:
        start = rng.integers(len(voice))
        sum_of_all += np.resize(np.roll(voice.astype(np.float64) / level, -start), n_samples)
    return sum_of_all


def telephone(wave: Wave) -> Wave:
    """The clip after a telephone line: 300 to 3400 Hz, sampled at 8 kHz, coded in 8 bits, (N,) float32.

    Source:
        Band of ITU-T G.712, as a linear-phase filter of 257 taps; code of ITU-T G.711 (mu-law) by libsndfile.
    """
    narrow = soxr.resample(wave, SAMPLE_RATE_HZ, TELEPHONE_RATE_HZ)
    taps = firwin(_N_TAPS, TELEPHONE_BAND_HZ, pass_zero=False, fs=TELEPHONE_RATE_HZ)
    band = np.clip(oaconvolve(narrow, taps, mode="same"), -1, 1)
    line = io.BytesIO()
    soundfile.write(line, band, TELEPHONE_RATE_HZ, format="WAV", subtype="ULAW")
    heard = decode(line.getvalue())[: len(wave)]
    return np.pad(heard, (0, len(wave) - len(heard)))
