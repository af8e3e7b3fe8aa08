"""Perturbations of clean speech: white noise, babble, telephone. N samples.

Every perturbation is a function of the clip, its name, the condition and a seed alone. Sums beyond full scale are
neither clipped nor rescaled, as in a recorder with headroom, so that a lower score comes from the noise and never from
a changed loudness of the speech. Only the telephone clips, because its code does.
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

# Samples of a block of 20 ms.
_BLOCK = round(0.02 * SAMPLE_RATE_HZ)
_MARGIN_DB = 15.9
_N_TAPS = 257


@dataclass(frozen=True)
class Condition:
    """Acoustic condition of clips; `snr_db` is the ratio of white noise and babble, None for the others."""

    kind: Kind
    snr_db: float | None = None

    @property
    def name(self) -> str:
        """Name for tables: 'babble 5 dB', 'telephone'."""
        return self.kind if self.snr_db is None else f"{self.kind} {self.snr_db:g} dB"


CONDITIONS = (
    Condition("clean"),
    *(Condition(kind, snr_db) for kind in ("white", "babble") for snr_db in SNRS_DB),
    Condition("telephone"),
)


def perturb(wave: Wave, condition: Condition, *, name: str, talkers: Sequence[Wave], seed: int = 0) -> Wave:
    """Perturb a clip by a condition.

    The noise of a clip is the same at every ratio up to its loudness, so that a curve over ratios is of one noise.

    Args:
        wave: the clip, (N,) float32 at 16 kHz.
        condition: one of `CONDITIONS`, or one with another ratio.
        name: of the clip; name and seed determine the noise.
        talkers: clips of other speakers, for babble.
        seed: another seed gives other noise.

    Returns:
        (N,) float32. A silent clip gets no noise, because its ratio to any noise is zero.

    Raises:
        ValueError: babble without talkers, or with silent ones alone.
    """
    if condition.kind == "clean":
        return wave
    if condition.kind == "telephone":
        return simulate_telephone(wave)
    assert condition.snr_db is not None
    digest = hashlib.sha256(f"{seed} {condition.kind} {name}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    noise = draw_white_noise(len(wave), rng) if condition.kind == "white" else mix_babble(talkers, len(wave), rng)
    return add_noise(wave, noise, snr_db=condition.snr_db)


def measure_active_rms(wave: Wave) -> float:
    """Root mean square of the speech without its pauses; 0 for silence.

    With pauses included, the same speech would have a lower level, and would get less noise. Speech consists of the
    blocks of 20 ms whose level is at most 15.9 dB below that of all such blocks together.

    Args:
        wave: (N,) at 16 kHz.

    Source:
        ITU-T P.56 (active speech level) with its margin, on blocks instead of an envelope with hangover.
    """
    padded = np.pad(wave.astype(np.float64), (0, -len(wave) % _BLOCK))
    power = np.square(padded).reshape(-1, _BLOCK).mean(axis=1)
    level, previous = power.mean(), -1.0
    # Each round excludes blocks, so the level only rises, and converges.
    while level > previous:
        previous, level = level, power[power >= level * 10 ** (-_MARGIN_DB / 10)].mean()
    return float(np.sqrt(level))


def add_noise(wave: Wave, noise: NDArray[np.float64], *, snr_db: float) -> Wave:
    """Add noise to a clip at a given ratio of its active speech level to the level of the noise.

    Args:
        wave: (N,) float32.
        noise: (N,), not silent; its own level has no effect.
        snr_db: ratio in decibels.

    Returns:
        (N,) float32.
    """
    gain = measure_active_rms(wave) / np.sqrt(np.mean(np.square(noise))) / 10 ** (snr_db / 20)
    noisy: Wave = (wave + gain * noise).astype(np.float32)
    return noisy


def draw_white_noise(n_samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw white noise: independent normal samples, (N,)."""
    return rng.standard_normal(n_samples)


def mix_babble(talkers: Sequence[Wave], n_samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Mix talkers of equal active level, each repeated endlessly from a random position on.

    Args:
        talkers: clips of other speakers; silent ones are skipped.
        n_samples: N.
        rng: draws the positions.

    Returns:
        (N,) float64.

    Raises:
        ValueError: there is no talker, or all are silent.
    """
    voices = [(voice, level) for voice in talkers if (level := measure_active_rms(voice)) > 0]
    if not voices:
        raise ValueError("babble needs at least one clip of another speaker that is not silent")
    mixture = np.zeros(n_samples)
    for voice, level in voices:
        start = rng.integers(len(voice))
        mixture += np.resize(np.roll(voice.astype(np.float64) / level, -start), n_samples)
    return mixture


def simulate_telephone(wave: Wave) -> Wave:
    """Simulate a telephone line: 300 to 3400 Hz, sampled at 8 kHz, coded in 8 bits.

    Args:
        wave: (N,) float32 at 16 kHz.

    Returns:
        (N,) float32 at 16 kHz.

    Source:
        Band of ITU-T G.712, by a linear-phase filter of 257 taps; code of ITU-T G.711 (mu-law), by libsndfile.
    """
    narrow = soxr.resample(wave, SAMPLE_RATE_HZ, TELEPHONE_RATE_HZ)
    taps = firwin(_N_TAPS, TELEPHONE_BAND_HZ, pass_zero=False, fs=TELEPHONE_RATE_HZ)
    band = np.clip(oaconvolve(narrow, taps, mode="same"), -1, 1)
    coded = io.BytesIO()
    soundfile.write(coded, band, TELEPHONE_RATE_HZ, format="WAV", subtype="ULAW")
    received = decode(coded.getvalue())[: len(wave)]
    return np.pad(received, (0, len(wave) - len(received)))
