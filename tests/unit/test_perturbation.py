"""Noise, babble and telephone: exact ratios, pass band, repeatable results."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ser.audio import SAMPLE_RATE_HZ, Wave
from ser.evaluation.perturbations import (
    CONDITIONS,
    N_TALKERS,
    SNRS_DB,
    Condition,
    add_noise,
    measure_active_rms,
    mix_babble,
    perturb,
    simulate_telephone,
)

CLIP = "1001_DFA_ANG_XX"
NOISY = [condition for condition in CONDITIONS if condition.snr_db is not None]


def speech(seed: int = 0, seconds: float = 2.0, *, level: float = 0.1) -> Wave:
    """Noise in bursts as syllables are, with a pause at either end."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    spoken = (t > 0.4) & (t < seconds - 0.4)
    wave = level * spoken * np.abs(np.sin(2 * np.pi * 3 * t)) * rng.standard_normal(len(t))
    return wave.astype(np.float32)


def tone(hz: float, seconds: float = 1.0) -> Wave:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ)).astype(
        np.float32
    )


TALKERS = [speech(seed, 1 + 0.3 * seed, level=0.02 * seed) for seed in range(1, N_TALKERS + 1)]


def rms(wave: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(wave.astype(np.float64)))))


def test_the_conditions_are_those_of_the_report() -> None:
    assert SNRS_DB == (20, 10, 5, 0)
    names = ["clean", *(f"{kind} {snr} dB" for kind in ("white", "babble") for snr in (20, 10, 5, 0)), "telephone"]
    assert [condition.name for condition in CONDITIONS] == names


def test_level_of_speech_does_not_depend_on_its_pauses() -> None:
    wave = speech()
    pause = np.zeros(SAMPLE_RATE_HZ, np.float32)
    assert measure_active_rms(np.concatenate([pause, wave, pause])) == pytest.approx(measure_active_rms(wave), rel=1e-6)
    assert measure_active_rms(wave) > 1.15 * rms(wave)
    assert measure_active_rms(tone(440)) == pytest.approx(rms(tone(440)), rel=1e-3)
    assert measure_active_rms(pause) == 0


@pytest.mark.parametrize("condition", NOISY, ids=lambda condition: condition.name)
@pytest.mark.parametrize("level", [0.001, 0.1, 1.0])
def test_the_ratio_is_exact_to_a_tenth_of_a_decibel(condition: Condition, level: float) -> None:
    wave = speech(level=level)
    noise = perturb(wave, condition, name=CLIP, talkers=TALKERS).astype(np.float64) - wave
    assert condition.snr_db is not None
    assert 20 * np.log10(measure_active_rms(wave) / rms(noise)) == pytest.approx(condition.snr_db, abs=0.1)


def test_nothing_is_clipped_at_full_scale_and_the_speech_keeps_its_loudness() -> None:
    wave = speech(level=1.0)
    perturbed = perturb(wave, Condition("white", 0), name=CLIP, talkers=())
    assert np.abs(perturbed).max() > 1
    share = np.dot(perturbed.astype(np.float64), wave) / np.dot(wave.astype(np.float64), wave)
    assert share == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("kind", ["white", "babble"])
def test_the_noise_of_a_clip_is_the_same_at_every_ratio(kind: Any) -> None:
    wave = speech()
    loud, quiet = (
        perturb(wave, Condition(kind, snr), name=CLIP, talkers=TALKERS).astype(np.float64) - wave for snr in (0, 20)
    )
    np.testing.assert_allclose(loud, 10 * quiet, atol=1e-6)


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_each_condition_gives_as_many_samples_and_the_same_again(condition: Condition) -> None:
    wave = speech(seconds=1.9999)
    perturbed = perturb(wave, condition, name=CLIP, talkers=TALKERS)
    assert (perturbed.dtype, perturbed.shape) == (np.dtype(np.float32), wave.shape)
    assert np.isfinite(perturbed).all()
    np.testing.assert_array_equal(perturbed, perturb(wave, condition, name=CLIP, talkers=TALKERS))


def test_another_clip_or_seed_has_other_noise_and_white_is_not_babble() -> None:
    wave = speech()
    perturbed = [
        perturb(wave, Condition("white", 5), name=CLIP, talkers=TALKERS),
        perturb(wave, Condition("white", 5), name="1001_DFA_SAD_XX", talkers=TALKERS),
        perturb(wave, Condition("white", 5), name=CLIP, talkers=TALKERS, seed=1),
        perturb(wave, Condition("babble", 5), name=CLIP, talkers=TALKERS),
    ]
    for one in range(4):
        for other in range(one):
            assert abs(np.corrcoef(perturbed[one] - wave, perturbed[other] - wave)[0, 1]) < 0.1


def digest_all_conditions() -> str:
    """Digest of one clip under every condition."""
    wave = speech()
    perturbed = (perturb(wave, condition, name=CLIP, talkers=TALKERS).tobytes() for condition in CONDITIONS)
    return hashlib.sha256(b"".join(perturbed)).hexdigest()


def test_another_process_computes_the_same() -> None:
    code = "import test_perturbation; print(test_perturbation.digest_all_conditions())"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parent
    )
    assert ended.stdout.strip() == digest_all_conditions()


def test_babble_is_all_talkers_equally_loud_however_loud_they_were() -> None:
    apart = [tone(500), 0.01 * tone(1500)]
    noise = mix_babble(apart, SAMPLE_RATE_HZ, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(noise)) ** 2
    assert power[500] == pytest.approx(power[1500], rel=0.05)
    assert power[[500, 1500]].sum() > 0.95 * power.sum()


def test_babble_fills_clips_longer_than_its_talkers() -> None:
    noise = mix_babble([speech(1, 1.0)], 5 * SAMPLE_RATE_HZ, np.random.default_rng(0))
    np.testing.assert_array_equal(noise[:SAMPLE_RATE_HZ], noise[SAMPLE_RATE_HZ : 2 * SAMPLE_RATE_HZ])


@pytest.mark.parametrize("talkers", [(), (np.zeros(16000, np.float32),)])
def test_babble_without_talkers_is_refused(talkers: tuple[Wave, ...]) -> None:
    with pytest.raises(ValueError, match="at least one clip of another speaker"):
        perturb(speech(), Condition("babble", 5), name=CLIP, talkers=talkers)


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_silence_stays_silent(condition: Condition) -> None:
    perturbed = perturb(np.zeros(16000, np.float32), condition, name=CLIP, talkers=TALKERS)
    assert np.abs(perturbed).max() < 1e-3


def measure_telephone_gain(hz: float) -> float:
    """Gain of the telephone for a tone, in dB, without its ends."""
    middle = slice(3000, -3000)
    return 20 * np.log10(max(rms(simulate_telephone(tone(hz))[middle]), 1e-9) / rms(tone(hz)[middle]))


@pytest.mark.parametrize("hz", [400, 500, 1000, 2000, 3000, 3300])
def test_the_telephone_passes_its_band(hz: float) -> None:
    assert measure_telephone_gain(hz) == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("hz", [50, 120, 200, 3600, 3900, 5000, 7000])
def test_the_telephone_stops_what_is_outside(hz: float) -> None:
    assert measure_telephone_gain(hz) < -25


@pytest.mark.parametrize("hz", [300, 3400])
def test_the_edges_of_the_band_are_at_half_amplitude(hz: float) -> None:
    assert measure_telephone_gain(hz) == pytest.approx(-6, abs=1)


def test_the_telephone_neither_delays_nor_shortens() -> None:
    wave = speech()
    perturbed = simulate_telephone(wave)
    delays = range(-20, 21)
    match = [np.dot(perturbed[100:-100], np.roll(wave, delay)[100:-100]) for delay in delays]
    assert delays[int(np.argmax(match))] == 0


def test_the_code_of_the_telephone_has_its_noise_and_cuts_at_full_scale() -> None:
    # G.711: about 38 dB between a tone and the noise of its code.
    wave, middle = tone(1037), slice(3000, -3000)
    noise = simulate_telephone(wave)[middle].astype(np.float64) - wave[middle]
    assert 30 < 20 * np.log10(rms(wave[middle]) / rms(noise)) < 45
    assert np.abs(simulate_telephone(10 * tone(1037))).max() < 1.5


def test_ratios_beyond_the_listed_ones_hold_too() -> None:
    wave = speech()
    noise = np.random.default_rng(0).standard_normal(len(wave))
    for snr_db in (-10.0, 40.0):
        added = add_noise(wave, noise, snr_db=snr_db).astype(np.float64) - wave
        assert 20 * np.log10(measure_active_rms(wave) / rms(added)) == pytest.approx(snr_db, abs=0.1)
