import hashlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser.audio import AudioError, AudioFacts, Wave, decode, digest_of, facts


def tone(*, rate_hz: int = 16_000, duration_s: float = 1.0, pitch_hz: float = 440.0) -> Wave:
    time_s = np.arange(round(rate_hz * duration_s)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * pitch_hz * time_s)).astype(np.float32)


def encoded(samples: np.ndarray, *, rate_hz: int = 16_000, kind: str = "WAV", subtype: str | None = None) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format=kind, subtype=subtype)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "AIFF"])
def test_mono_at_16_khz_comes_out_sample_for_sample(kind: str) -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, 5000, dtype=np.int16)
    wave = decode(encoded(samples, kind=kind))
    assert wave.dtype == np.float32
    assert np.array_equal(wave, samples.astype(np.float32) / 32768)


@pytest.mark.parametrize("kind", ["OGG", "MP3"])
def test_lossy_kinds_keep_length_and_sound(kind: str) -> None:
    wave = decode(encoded(tone(), kind=kind))
    assert wave.shape == (16_000,)
    assert np.abs(wave - tone())[1000:-1000].max() < 0.02


def test_channels_are_averaged() -> None:
    left, right = tone(pitch_hz=300), tone(pitch_hz=500)
    wave = decode(encoded(np.stack([left, right], axis=1), subtype="FLOAT"))
    assert np.allclose(wave, (left + right) / 2, atol=1e-7)


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000])
def test_other_rates_become_16_khz(rate_hz: int) -> None:
    wave = decode(encoded(tone(rate_hz=rate_hz), rate_hz=rate_hz, subtype="FLOAT"))
    assert wave.dtype == np.float32
    assert abs(len(wave) - 16_000) <= 1
    middle = slice(2000, 14_000)
    assert np.abs(wave[middle] - tone()[middle]).max() < 1e-3


def test_what_16_khz_cannot_hold_is_filtered_out() -> None:
    wave = decode(encoded(tone(rate_hz=48_000, pitch_hz=12_000), rate_hz=48_000))
    assert np.abs(wave[1000:-1000]).max() < 1e-3


def test_sound_longer_than_one_block_is_whole() -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, 200_001, dtype=np.int16)
    assert np.array_equal(decode(encoded(samples)), samples.astype(np.float32) / 32768)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 72\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (POINTER, "git lfs pull"),
        (b"", "empty"),
        (b"<html>not found</html>" * 20, "WAV, FLAC, OGG, MP3 or AIFF"),
        (encoded(tone(), kind="FLAC")[:9000], "cannot be read as sound"),
        (encoded(tone())[:-2], "header declares 32,000 bytes of sound and 31,998 are there: copy or download"),
        (encoded(tone(), kind="AIFF")[:9000], "the file is cut off"),
        (encoded(tone() * 1e18, subtype="FLOAT"), r"reaches 5e\+17 times full scale, at most 100 times"),
        (encoded(-32768 * tone(), subtype="FLOAT"), r"reaches 1\.638e\+04 times full scale"),
        (encoded(np.zeros(0, np.float32)), "no samples"),
        (encoded(np.zeros(1, np.int16), rate_hz=2**31 - 1), "2,147,483,647 samples per second, at most 192,000"),
        (encoded(np.zeros(9, np.int16), rate_hz=192_001), "192,001 samples per second"),
        (encoded(np.zeros((2_880_001, 8), np.int16), rate_hz=96_000, kind="FLAC"), "23,040,008 samples in all its"),
        (encoded(tone(duration_s=60.5)), "lasts 60.5 s, at most 60 s"),
    ],
)
def test_unusable_bytes_are_refused_with_a_remedy(data: bytes, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        decode(data)


def test_40_db_above_full_scale_is_accepted() -> None:
    assert decode(encoded(tone() * 199, subtype="FLOAT")).max() == pytest.approx(99.5, rel=1e-3)


@pytest.mark.parametrize("n_bytes", [0xFFFF_FFFF, 0x7FFF_FFFF, 0x7FFF_F000])
def test_a_wav_whose_writer_did_not_see_its_end_is_whole(n_bytes: int) -> None:
    data = bytearray(encoded(tone()))
    data[40:44] = n_bytes.to_bytes(4, "little")
    assert len(decode(bytes(data))) == 16_000


@pytest.mark.parametrize("position", [0, 8_000, 15_999])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_samples_that_are_not_finite_are_refused(value: float, position: int, rate_hz: int) -> None:
    samples = np.zeros(16_000, np.float32)
    samples[position] = value
    with pytest.raises(AudioError, match="not finite"):
        decode(encoded(samples, rate_hz=rate_hz, subtype="FLOAT"))


def test_the_limit_is_the_callers() -> None:
    data = encoded(tone(duration_s=2.0))
    assert len(decode(data, longest_s=2.0)) == 32_000
    with pytest.raises(AudioError, match=r"lasts 2\.0 s, at most 1\.5 s"):
        decode(data, longest_s=1.5)


def test_length_is_read_from_the_header_before_decoding() -> None:
    whole = encoded(tone(duration_s=61.0), kind="FLAC")
    with pytest.raises(AudioError, match=r"lasts 61\.0 s"):
        decode(whole[:2000])


def test_a_cut_off_mp3_gives_what_is_there_and_repeats_nothing() -> None:
    noise = (0.1 * np.random.default_rng(0).standard_normal(200_000)).astype(np.float32)
    data = encoded(noise, kind="MP3")
    whole, part = decode(data), decode(data[: len(data) // 2])
    assert 0 < len(part) < 0.6 * len(whole)
    assert np.allclose(part[:50_000], whole[:50_000], atol=1e-5)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "AIFF"])
def test_damaged_bytes_are_decoded_or_refused_never_anything_else(kind: str) -> None:
    rng, whole = np.random.default_rng(0), encoded(tone(duration_s=0.3), kind=kind)
    for _ in range(200):
        damaged = bytearray(whole)
        for position in rng.integers(0, min(len(whole), 200), 4):
            damaged[position] = rng.integers(256)
        try:
            wave = decode(bytes(damaged), longest_s=5.0)
        except AudioError:
            continue
        assert wave.ndim == 1
        assert np.isfinite(wave).all()


def test_facts_of_a_clip() -> None:
    samples = np.array([0, 16384, -32768, 3], np.int16)
    data = encoded(samples)
    found = facts(decode(data), digest=digest_of(data))
    assert found == AudioFacts(hashlib.sha256(data).hexdigest(), 4, 1.0)
    assert not found.silent


def test_all_zeros_are_silent_and_one_count_is_not() -> None:
    zeros, quiet = np.zeros(100, np.int16), np.zeros(100, np.int16)
    quiet[50] = 1
    assert facts(decode(encoded(zeros)), digest="a").silent
    assert not facts(decode(encoded(quiet)), digest="b").silent


def test_real_clip_is_its_own_int16_samples(shared_dir: Path) -> None:
    path = shared_dir / "cremad" / "AudioFLAC" / "1001_DFA_ANG_XX.flac"
    samples, rate_hz = soundfile.read(path, dtype="int16")
    assert rate_hz == 16_000
    assert np.array_equal(decode(path.read_bytes()), samples.astype(np.float32) / 32768)


def test_no_librosa_numba_or_torch_is_loaded() -> None:
    code = "import sys, ser.audio; print(*({'librosa', 'numba', 'torch'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""
