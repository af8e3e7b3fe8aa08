"""Plot data of the demo page."""

import base64

import numpy as np
import pytest

from ser.features.base import Spectra
from ser.features.mel_scale import band_centres_hz, mel_weights
from ser.features.spaces import MelSpace
from ser.serving.spectrogram_image import compute_plot_data

TONE = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)


def test_the_plotted_spectrogram_is_the_input_of_the_networks() -> None:
    drawn = compute_plot_data(TONE)["mel"]
    levels = np.frombuffer(base64.b64decode(drawn["levels"]), np.uint8).reshape(drawn["n_frames"], drawn["n_mels"])
    span = drawn["high_db"] - drawn["low_db"]
    space = MelSpace()
    expected = space.compute(Spectra(TONE, space.framing))
    np.testing.assert_allclose(drawn["low_db"] + levels / 255 * span, expected, atol=span / 255)
    loudest = int(levels.mean(axis=0).argmax())
    assert drawn["centres_hz"][loudest] == pytest.approx(1000, rel=0.05)


def test_the_plot_covers_the_clip_from_end_to_end() -> None:
    drawn = compute_plot_data(TONE)
    assert drawn["duration_s"] == 1.0
    envelope = np.array(drawn["envelope"])
    assert len(envelope) == 1200
    assert envelope.min() == pytest.approx(-1)
    assert envelope.max() == pytest.approx(1)
    assert drawn["mel"]["n_frames"] * drawn["mel"]["hop_s"] == pytest.approx(1.0, abs=0.02)


def test_silence_and_a_single_sample_can_be_plotted() -> None:
    silence, sample = (compute_plot_data(np.zeros(n_samples, np.float32))["mel"] for n_samples in (16000, 1))
    assert silence["low_db"] == sample["high_db"]


def test_bands_weigh_most_at_their_centres() -> None:
    bins_hz = np.linspace(0, 8000, 1 + 4096 // 2)
    peaks = bins_hz[mel_weights(4096, 64).argmax(axis=1)]
    np.testing.assert_allclose(band_centres_hz(64), peaks, atol=8000 / 2048)
