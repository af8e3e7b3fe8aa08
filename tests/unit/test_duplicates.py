"""Duplicates are found, and different recordings are not taken for duplicates: on the shared real clips."""

from pathlib import Path

import numpy as np
import pytest
import soxr

from ser.audio import decode
from ser.corpora.base import Clip
from ser.corpora.cremad import CremaD, parse
from ser.corpora.locations import read_bytes
from ser.corpora.voices import speak
from ser.features.base import Spectra
from ser.features.duplicates import ALIKE, exclude_duplicates, find_similar_pairs, fingerprint
from ser.features.spaces import MelSpace

SPACE = MelSpace()
ACTORS = ("1017", "1045", "1056")
# Found by this rule, and confirmed by the waves, which correlate to 0.986 or more at the best lag.
TWICE = {
    ("1017_IWL_ANG_XX", "1017_IWL_FEA_XX"),
    ("1017_IWW_ANG_XX", "1017_IWW_FEA_XX"),
    ("1045_ITH_DIS_XX", "1045_IWL_DIS_XX"),
    ("1056_MTI_ANG_XX", "1056_TAI_ANG_XX"),
}


def fingerprint_wave(wave: np.ndarray) -> np.ndarray:
    return fingerprint(SPACE.compute(Spectra(np.ascontiguousarray(wave, np.float32), SPACE.framing)))


@pytest.fixture(scope="module")
def clips(shared_dir: Path) -> list[Clip]:
    return [clip for clip in CremaD().scan(shared_dir / "cremad").clips if clip.speaker in ACTORS]


@pytest.fixture(scope="module")
def waves(clips: list[Clip]) -> list[np.ndarray]:
    return [decode(read_bytes(clip.location)) for clip in clips]


def test_recordings_that_are_in_the_corpus_twice_are_found_and_no_others(clips, waves) -> None:
    pairs = find_similar_pairs(np.stack([fingerprint_wave(wave) for wave in waves]))
    assert {(clips[one].name, clips[other].name) for one, other in pairs} == TWICE
    for one, other in pairs:
        a, b = waves[one], waves[other]
        products = np.fft.irfft(np.fft.rfft(a, 2**18) * np.conj(np.fft.rfft(b, 2**18)))
        shorter = min(np.linalg.norm(a), np.linalg.norm(b))
        assert np.abs(products).max() > 0.9 * shorter**2


@pytest.mark.parametrize(
    ("change", "share"),
    [
        (lambda w, _: 0.25 * w, 1.0),
        (lambda w, _: np.concatenate([np.zeros(3200), w]), 1.0),
        (lambda w, _: np.concatenate([np.zeros(320), w])[: len(w)], 0.95),
        (lambda w, rng: w + 0.1 * np.sqrt(np.mean(w**2)) * rng.standard_normal(len(w)), 1.0),
        (lambda w, _: soxr.resample(soxr.resample(w, 16_000, 8_000), 8_000, 16_000), 0.9),
    ],
    ids=["gain", "silence before", "moved", "noise 20 dB", "telephone band"],
)
def test_a_changed_copy_of_a_real_clip_is_found(waves, change, share: float) -> None:
    rng = np.random.default_rng(0)
    chosen = waves[::6]
    alike = [
        float(fingerprint_wave(w).astype(float) @ fingerprint_wave(change(w, rng)).astype(float)) >= ALIKE
        for w in chosen
    ]
    assert len(alike) > 30
    assert np.mean(alike) >= share


def test_synthetic_voices_are_all_different(synthetic_dir: Path) -> None:
    from ser.corpora.base import CORPORA

    clips = CORPORA["synthetic"]().scan(synthetic_dir).clips
    assert find_similar_pairs(np.stack([fingerprint_wave(speak(clip, seed=0)) for clip in clips])) == []


def test_silence_is_like_nothing() -> None:
    silence = fingerprint_wave(np.zeros(16_000))
    assert not silence.any()
    assert find_similar_pairs(np.stack([silence, silence])) == []


def test_pairs_are_found_across_blocks_of_rows() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((2500, 384))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[2400], rows[1023] = rows[5], rows[1024]
    assert find_similar_pairs(rows.astype(np.float16)) == [(5, 2400), (1023, 1024)]


def test_of_two_labels_neither_stays_and_of_one_label_the_first(clips) -> None:
    reasons = exclude_duplicates(clips, tuple(sorted(TWICE)))
    assert sorted(reasons) == [
        "1017_IWL_ANG_XX", "1017_IWL_FEA_XX", "1017_IWW_ANG_XX", "1017_IWW_FEA_XX", "1045_IWL_DIS_XX",
        "1056_TAI_ANG_XX",
    ]  # fmt: skip
    assert reasons["1045_IWL_DIS_XX"] == "the same recording as 1045_ITH_DIS_XX (disgust), labelled disgust"


@pytest.mark.parametrize("n_mels", [16, 40, 100, 128])
def test_a_recording_is_found_in_any_number_of_bands(n_mels: int) -> None:
    space = MelSpace(n_mels=n_mels)
    clip = parse("1001_DFA_ANG_XX", "1001_DFA_ANG_XX.wav")
    assert clip is not None
    wave = speak(clip, seed=0)
    prints = [fingerprint(space.compute(Spectra(sound, space.framing))) for sound in (wave, 0.5 * wave)]
    assert find_similar_pairs(np.stack(prints)) == [(0, 1)]
