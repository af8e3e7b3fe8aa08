"""What each registered feature owes: declared rows, one per frame, finite; and the spaces they make."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from ser.audio import Wave
from ser.features.base import FEATURES, Framing, Spectra
from ser.features.pipeline import Pipeline
from ser.features.spaces import FeatureSpace, FrameSpace, MelSpace, make_default_space
from ser.settings.declaration import all_settings, with_values
from ser.settings.ranges import SettingError

N_SAMPLES = (1, 100, 255, 256, 1024, 16_000, 40_001)
FRAMINGS = (Framing(), Framing(window_s=0.025, hop_s=0.01), Framing(window_s=0.0501, hop_s=0.0125))
DOCUMENTED = ("zero_crossing_rate", "energy", "mfcc", "chroma", "spectral_contrast", "mel")


def voice(n_samples: int) -> Wave:
    seconds = np.arange(n_samples) / 16_000
    tone = np.sin(2 * np.pi * 220 * seconds) + 0.3 * np.sin(2 * np.pi * 660 * seconds)
    return (0.4 * tone + 0.01 * np.random.default_rng(1).standard_normal(n_samples)).astype(np.float32)


SOUNDS = {
    "voice": voice,
    "silence": lambda n_samples: np.zeros(n_samples, np.float32),
    "loudest": lambda n_samples: np.ones(n_samples, np.float32),
    "faintest": lambda n_samples: np.full(n_samples, 1e-30, np.float32),
}


def test_six_families_are_found() -> None:
    assert set(FEATURES) == set(DOCUMENTED)


@pytest.mark.parametrize("sound", SOUNDS)
@pytest.mark.parametrize("name", FEATURES.names())
def test_feature_keeps_the_contract(name: str, sound: str) -> None:
    feature = FEATURES[name]()
    for n_samples, framing in itertools.product(N_SAMPLES, FRAMINGS):
        wave = SOUNDS[sound](n_samples)
        rows = feature.compute(Spectra(wave, framing))
        assert rows.shape == (1 + n_samples // framing.hop_length, feature.n_rows)
        assert rows.dtype == np.float32
        assert np.isfinite(rows).all()


@pytest.mark.parametrize("name", FEATURES.names())
def test_feature_leaves_the_wave_as_it_was(name: str) -> None:
    wave = voice(8000)
    wave.flags.writeable = False
    spectra = Spectra(wave, Framing())
    first = FEATURES[name]().compute(spectra).copy()
    np.testing.assert_array_equal(FEATURES[name]().compute(spectra), first)


@pytest.mark.parametrize("name", FEATURES.names())
def test_settings_of_features_are_not_searched(name: str) -> None:
    assert not any(setting.range.searched for setting in all_settings(FEATURES[name]()))


@pytest.mark.parametrize("space", [FrameSpace(), MelSpace()])
def test_space_computes_what_it_declares(space: FeatureSpace) -> None:
    rows = space.compute(Spectra(voice(20_000), space.framing))
    assert rows.shape == (1 + 20_000 // 256, space.n_rows)
    assert rows.dtype == np.float32
    assert rows.flags.c_contiguous
    assert space.n_frames == 1 + 48_000 // 256
    assert make_default_space(space.dimensions) == space


def test_families_choose_rows_in_documented_order() -> None:
    space = FrameSpace()
    assert tuple(space.layout) == DOCUMENTED
    assert list(space.layout.values()) == [1, 1, 20, 12, 7, 64]
    np.testing.assert_array_equal(space.selected_rows, np.arange(105))
    chosen = with_values(space, {"families": "mel+energy"})
    np.testing.assert_array_equal(chosen.selected_rows, [1, *range(41, 105)])
    assert chosen.n_channels == 65


def test_chosen_rows_are_those_of_the_family() -> None:
    spectra = Spectra(voice(20_000), Framing())
    for name in FEATURES:
        space = FrameSpace(families=name)
        np.testing.assert_array_equal(space.compute(spectra)[:, space.selected_rows], FEATURES[name]().compute(spectra))


def test_each_searched_choice_of_families_can_be_made() -> None:
    families = next(setting for setting in all_settings(FrameSpace()) if setting.name == "families")
    assert families.range.searched
    assert len(families.range.searched_options) >= 5
    for option in families.range.searched_options:
        assert FrameSpace(families=option).n_channels > 0


def test_unknown_family_is_refused() -> None:
    with pytest.raises(SettingError, match="families must be 'all' or names"):
        FrameSpace(families="mfccs")


def test_more_coefficients_than_bands_are_refused() -> None:
    with pytest.raises(SettingError, match="n_mfcc must not exceed n_mels"):
        with_values(FrameSpace(), {"family.mfcc.n_mfcc": "40", "family.mfcc.n_mels": "32"})


def test_pipeline_gives_the_spaces_features_and_serving_the_same() -> None:
    other = MelSpace(framing=Framing(window_s=0.032, hop_s=0.01))
    wave = voice(20_000)
    for pipeline in (Pipeline(), Pipeline(mel_space=other)):
        both = pipeline.compute(wave)
        np.testing.assert_array_equal(
            both["1d"], pipeline.frame_space.compute(Spectra(wave, pipeline.frame_space.framing))
        )
        np.testing.assert_array_equal(both["2d"], pipeline.mel_space.compute(Spectra(wave, pipeline.mel_space.framing)))
    assert both["2d"].shape == (1 + 20_000 // 160, 64)


def test_digest_follows_what_is_stored_only() -> None:
    digest = Pipeline().digest
    assert Pipeline(FrameSpace(families="mel", duration_s=2.0), MelSpace(duration_s=5.0)).digest == digest
    changed = [
        Pipeline(mel_space=MelSpace(n_mels=32)),
        Pipeline(mel_space=MelSpace(framing=Framing(hop_s=0.01))),
        Pipeline(frame_space=FrameSpace(framing=Framing(hop_s=0.01))),
        Pipeline(frame_space=with_values(FrameSpace(), {"family.mfcc.n_mfcc": 13})),
    ]
    assert len({digest, *(pipeline.digest for pipeline in changed)}) == 5


def test_features_and_digest_are_the_same_in_another_process() -> None:
    program = (
        "import hashlib, numpy as np; from ser.features.pipeline import Pipeline\n"
        "wave = np.random.default_rng(3).uniform(-1, 1, 20_000).astype(np.float32)\n"
        "both = Pipeline().compute(wave)\n"
        "print(Pipeline().digest, *(hashlib.sha256(both[k].tobytes()).hexdigest() for k in sorted(both)))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert runs[0].split()[0] == Pipeline().digest


def test_importing_features_loads_nothing_heavy() -> None:
    program = (
        "import sys, ser.features.pipeline, ser.features.store, ser.features.dataset\n"
        "ser.features.pipeline.Pipeline()\n"
        "heavy = {'librosa', 'numba', 'torch', 'sklearn', 'scipy', 'ray', 'mlflow', 'pandas'}\n"
        "print(*heavy & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
