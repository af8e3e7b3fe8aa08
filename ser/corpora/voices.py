"""Synthetic voices by the source-filter model: glottal pulses and breath noise through five formants, by emotion."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.audio import SAMPLE_RATE_HZ, Wave
from ser.corpora.base import Clip

Signal = NDArray[np.float64]

_STEP = 480  # samples between changes of the formants: 30 ms
_NOISE_LENGTH = 40_960  # samples; longer than the longest clip, and a length that is fast to transform


@dataclass(frozen=True)
class Manner:
    """Manner of speaking of an emotion, relative to the speaker's neutral voice.

    Attributes:
        pitch_st: shift of the pitch, in semitones.
        span_st: extent of accents and of the fall over a sentence, in semitones.
        energy_db: level.
        tempo: factor of the speaking rate.
        tilt_hz: frequency above which the spectrum falls by another 6 dB an octave.
        breath: level of breath noise relative to the pulses.
    """

    pitch_st: float
    span_st: float
    energy_db: float
    tempo: float
    tilt_hz: float
    breath: float


# Directions after Juslin & Laukka, Psychological Bulletin 129(5), 2003. Sizes are our choice, so that a small network
# learns the emotions and no single feature determines them.
MANNERS = {
    "anger": Manner(pitch_st=2.5, span_st=3.6, energy_db=6.0, tempo=1.12, tilt_hz=2600, breath=0.16),
    "disgust": Manner(pitch_st=-1.5, span_st=2.2, energy_db=-1.0, tempo=0.86, tilt_hz=1300, breath=0.4),
    "fear": Manner(pitch_st=4.5, span_st=1.6, energy_db=-1.0, tempo=1.18, tilt_hz=1700, breath=0.96),
    "happiness": Manner(pitch_st=4.0, span_st=4.4, energy_db=3.0, tempo=1.05, tilt_hz=2000, breath=0.24),
    "neutral": Manner(pitch_st=0.0, span_st=1.5, energy_db=0.0, tempo=1.0, tilt_hz=1400, breath=0.24),
    "sadness": Manner(pitch_st=-0.5, span_st=1.1, energy_db=-5.0, tempo=0.82, tilt_hz=800, breath=0.8),
}

# First three formants of a man, Hz: Peterson & Barney, JASA 24, 1952, table II.
_VOWELS = {
    "i": (270, 2290, 3010),
    "ɪ": (390, 1990, 2550),
    "ɛ": (530, 1840, 2480),
    "æ": (660, 1720, 2410),
    "ɑ": (730, 1090, 2440),
    "ɔ": (570, 840, 2410),
    "ʊ": (440, 1020, 2240),
    "u": (300, 870, 2240),
    "ʌ": (640, 1190, 2390),
    "ɜ": (490, 1350, 1690),
}
_UPPER_FORMANTS_HZ = (3500.0, 4500.0)
_BANDWIDTHS_HZ = np.array([70.0, 90.0, 130.0, 200.0, 280.0])

# The vowels of CREMA-D's sentences, diphthongs by their first half.
_SENTENCES = {
    "DFA": "ɔɔɛʌæɪ",
    "IEO": "ɪɪɛɛʌʌɑ",
    "IOM": "ɑɑɑɛuʌiɪ",
    "ITH": "ɑɪɑæʌɑɜʌɔɛ",
    "ITS": "ɑɪɑiɪɪɔ",
    "IWL": "ɑʊɑʌuʌɑɑ",
    "IWW": "ɑʌɜʌɪɪʌɑ",
    "MTI": "ɛiuɑɔɪɪiɔ",
    "TAI": "ʌɛɛɪɔɔʊ",
    "TIE": "æɪɪæiʌæɛ",
    "TSI": "ʌɜʌɪɪ",
    "WSI": "iɑɪʌʌʌʌɪɪ",
}


@dataclass(frozen=True)
class _Speaker:
    """Properties that are the same in all clips of one speaker."""

    pitch_hz: float
    tract: float
    tempo: float
    loudness_db: float
    tilt: float


def speak(clip: Clip, *, seed: int) -> Wave:
    """Synthesise one clip, which depends only on its labels, its name and the seed.

    Returns:
        (N,) float32 at 16 kHz within ±1, 1.2 to 2.5 s.

    Source:
        Source-filter model (Fant, 1960) with Rosenberg's pulse (JASA 49, 1971, type B) and a cascade of
        digital resonators (Klatt, JASA 67, 1980).
    """
    rng = _make_rng(f"{seed}:{clip.name}")
    speaker, manner = _draw_speaker(f"{seed}:{clip.speaker}"), MANNERS[clip.emotion]
    vowels = _SENTENCES[clip.sentence]
    tempo = manner.tempo * speaker.tempo * float(np.exp(rng.normal(0, 0.10)))
    duration_s = float(np.clip((0.5 + 0.17 * len(vowels)) / tempo, 1.2, 2.5))
    ends = np.cumsum(rng.uniform(0.75, 1.25, len(vowels)))
    # Position in the sentence: the middle of vowel k is at k + 1/2. Silence before 0 and after the last vowel.
    place = np.interp(
        np.linspace(-0.08, 1.10, round(duration_s * SAMPLE_RATE_HZ)),
        np.concatenate([[-0.08, 0.0], ends / ends[-1], [1.10]]),
        np.concatenate([[-0.5, 0.0], np.arange(1.0, len(vowels) + 1), [len(vowels) + 0.5]]),
    )
    pitch_hz = _make_pitch(place, len(vowels), manner, speaker, rng)
    source = _make_pulses(pitch_hz, rng) + manner.breath * float(np.exp(rng.normal(0, 0.4))) * _make_pink_noise(
        len(place), rng
    )
    tilt_hz = manner.tilt_hz * speaker.tilt * float(np.exp(rng.normal(0, 0.30)))
    voice = _resonate(_darken(source, tilt_hz), place, vowels, speaker.tract) * _make_loudness(place, vowels, rng)
    level_db = -25.0 + manner.energy_db + speaker.loudness_db + rng.normal(0, 2.0)
    return _set_level(voice, level_db, rng)


def _make_rng(key: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big"))


def _draw_speaker(key: str) -> _Speaker:
    rng = _make_rng(key)
    woman = rng.random() < 0.5
    return _Speaker(
        pitch_hz=(205.0 if woman else 115.0) * 2 ** (rng.normal(0, 1.5) / 12),
        tract=(1.16 if woman else 1.0) * (1 + rng.normal(0, 0.03)),
        tempo=float(np.exp(rng.normal(0, 0.06))),
        loudness_db=rng.normal(0, 1.5),
        tilt=float(np.exp(rng.normal(0, 0.15))),
    )


def _make_pitch(place: Signal, n_vowels: int, manner: Manner, speaker: _Speaker, rng: np.random.Generator) -> Signal:
    """Pitch in hertz at each sample: level, accents, falling line, vibrato and jitter."""
    span_st = manner.span_st * float(np.exp(rng.normal(0, 0.25)))
    accents = rng.normal(0, 1, n_vowels + 2) * span_st
    melody = np.interp(place, np.arange(-1, n_vowels + 1) + 0.5, accents)
    time_s = np.arange(len(place)) / SAMPLE_RATE_HZ
    vibrato = 0.15 * np.sin(2 * np.pi * rng.uniform(4.5, 6.5) * time_s + rng.uniform(0, 2 * np.pi))
    knots = np.arange(0, len(place) + 80, 80)
    jitter = np.interp(np.arange(len(place)), knots, rng.normal(0, 0.2, len(knots)))
    level_st = manner.pitch_st + rng.normal(0, 1.3)
    return np.asarray(
        speaker.pitch_hz * 2 ** ((level_st + melody - span_st * place / n_vowels + vibrato + jitter) / 12)
    )


def _make_pulses(pitch_hz: Signal, rng: np.random.Generator) -> Signal:
    """Derivative of the glottal flow, which rises for 40 % of a period, falls in 16 %, then is zero."""
    phase = (rng.random() + np.cumsum(pitch_hz) / SAMPLE_RATE_HZ) % 1.0
    opening, closing = phase / 0.40, (phase - 0.40) / 0.16
    flow = np.where(phase < 0.40, opening**2 * (3 - 2 * opening), np.where(closing < 1, 1 - closing**2, 0.0))
    return np.asarray(np.diff(flow, prepend=flow[:1]) * SAMPLE_RATE_HZ / pitch_hz)


def _make_pink_noise(n_samples: int, rng: np.random.Generator) -> Signal:
    """Noise of unit variance whose power falls by 3 dB an octave."""
    spectrum = np.fft.rfft(rng.normal(0, 1, _NOISE_LENGTH))
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0)))[:n_samples]
    return np.asarray(noise / noise.std())


def _darken(source: Signal, tilt_hz: float) -> Signal:
    """One-pole low-pass filter: 6 dB an octave above `tilt_hz`."""
    from scipy.signal import lfilter  # type: ignore[attr-defined]

    pole = float(np.exp(-2 * np.pi * tilt_hz / SAMPLE_RATE_HZ))
    return np.asarray(lfilter([1 - pole], [1, -pole], source))


def _resonate(source: Signal, place: Signal, vowels: str, tract: float) -> Signal:
    """Filter the source by five formants that glide from vowel to vowel."""
    from scipy.signal import sosfilt  # type: ignore[attr-defined]

    targets = np.array([(*_VOWELS[vowel], *_UPPER_FORMANTS_HZ) for vowel in vowels]) * tract
    middles = np.arange(len(vowels)) + 0.5
    tracks = np.stack([np.interp(place[::_STEP], middles, formant) for formant in targets.T], axis=1)
    state = np.zeros((len(_BANDWIDTHS_HZ), 2))
    pieces = []
    for index, sections in enumerate(_design_resonators(tracks)):
        piece, state = sosfilt(sections, source[index * _STEP : (index + 1) * _STEP], zi=state)
        pieces.append(piece)
    return np.concatenate(pieces)


def _design_resonators(formants_hz: Signal) -> Signal:
    """Second-order sections of unit gain at 0 Hz: (steps, 5) hertz in, (steps, 5, 6) out."""
    radius = np.exp(-np.pi * _BANDWIDTHS_HZ / SAMPLE_RATE_HZ)
    first = -2 * radius * np.cos(2 * np.pi * formants_hz / SAMPLE_RATE_HZ)
    one, zero, second = np.ones_like(first), np.zeros_like(first), np.broadcast_to(radius**2, first.shape)
    return np.stack([1 + first + second, zero, zero, one, first, second], axis=-1)


def _make_loudness(place: Signal, vowels: str, rng: np.random.Generator) -> Signal:
    """Amplitude from 0 to 1: each vowel rises and falls, with a dip in place of a consonant."""
    stress = rng.uniform(0.6, 1.0, len(vowels))
    within = (place >= 0) & (place < len(vowels))
    which = np.clip(place.astype(int), 0, len(vowels) - 1)
    shape = 0.08 + 0.92 * np.abs(np.sin(np.pi * place)) ** 0.6
    return np.where(within, stress[which] * shape, 0.0)


def _set_level(voice: Signal, level_db: float, rng: np.random.Generator) -> Wave:
    """Scale the voice to `level_db` (RMS, full scale 0 dB), add faint noise, and keep the peak below full scale."""
    sound = voice / np.sqrt(np.mean(voice**2)) * 10 ** (level_db / 20)
    sound = sound + 10 ** (rng.uniform(-62, -52) / 20) * _make_pink_noise(len(voice), rng)
    return np.asarray(sound * min(1.0, 0.98 / np.max(np.abs(sound))), np.float32)
