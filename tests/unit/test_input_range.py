"""Training input range of a model, and warnings for clips outside it."""

import numpy as np
import pytest

from ser.audio import AudioFacts
from ser.experiment.input_range import InputRange, measure_input_range

VOICE = 0.5 * np.sin(2 * np.pi * 220 * np.arange(32_000) / 16_000).astype(np.float32)
RANGE = InputRange(shortest_s=1.0, longest_s=4.0, quietest_peak=0.1)


def test_the_range_is_that_of_all_training_clips() -> None:
    clips = [AudioFacts("a", 16_000, 0.5), AudioFacts("b", 48_000, 1.0), AudioFacts("c", 24_000, 0.03)]
    assert measure_input_range(clips) == InputRange(shortest_s=1.0, longest_s=3.0, quietest_peak=0.03)


def test_every_training_clip_is_within_the_range_of_all() -> None:
    rng = np.random.default_rng(0)
    waves = [rng.uniform(-level, level, n).astype(np.float32) for level, n in ((0.9, 20_000), (0.02, 70_000))]
    range_ = measure_input_range(
        [AudioFacts(str(n), len(wave), float(np.abs(wave).max())) for n, wave in enumerate(waves)]
    )
    assert [range_.warning(wave) for wave in waves] == ["", ""]


@pytest.mark.parametrize(
    ("wave", "warning"),
    [
        (VOICE, ""),
        (VOICE[:8_000], "shorter than every training clip: 0.50 s, they lasted 1.00 to 4.00 s"),
        (np.tile(VOICE, 3), "longer than every training clip: 6.00 s, they lasted 1.00 to 4.00 s"),
        (0.01 * VOICE, "quieter than every training clip: peak at -46.0 dB, theirs at -20.0 or more"),
        (0 * VOICE, "quieter than every training clip: peak at -inf dB, theirs at -20.0 or more"),
        (np.clip(20 * VOICE, -1, 1), "clipped: 93.8 % of the samples are at full scale"),
    ],
    ids=["usual", "short", "long", "quiet", "silent", "clipped"],
)
def test_a_deviation_is_named_with_its_value_and_the_range(wave: np.ndarray, warning: str) -> None:
    assert RANGE.warning(wave) == warning


def test_a_peak_that_just_reaches_full_scale_is_not_clipping() -> None:
    wave = VOICE.copy()
    wave[:300] = 1.0
    assert RANGE.warning(wave) == ""
    wave[:400] = 1.0
    assert RANGE.warning(wave).startswith("clipped: 1.2 %")


def test_every_deviation_is_named() -> None:
    assert [part.split(":")[0] for part in RANGE.warning(0.01 * VOICE[:800]).split("; ")] == [
        "shorter than every training clip",
        "quieter than every training clip",
    ]
