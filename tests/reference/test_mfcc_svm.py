"""MFCC + SVM on real clips: UAR on unseen speakers, and on shuffled labels."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ser.audio import decode
from ser.corpora.base import Clip
from ser.corpora.cremad import CremaD
from ser.evaluation.baselines import summarise, train_mfcc_svm
from ser.evaluation.metrics import confusion_matrix, unweighted_average_recall
from ser.features.base import Framing, Spectra
from ser.features.mfcc import Mfcc
from ser.splits.split import Split, partition

N_SPEAKERS = 12


@pytest.fixture(scope="module")
def clips(shared_dir: Path) -> tuple[Clip, ...]:
    found = CremaD().scan(shared_dir / "cremad").clips
    speakers = sorted({clip.speaker for clip in found})[:N_SPEAKERS]
    return tuple(clip for clip in found if clip.speaker in speakers)


@pytest.fixture(scope="module")
def summaries(clips: tuple[Clip, ...]) -> NDArray[np.float64]:
    waves = (decode(Path(clip.location).read_bytes()) for clip in clips)
    return np.stack([summarise(Mfcc().compute(Spectra(wave, Framing()))) for wave in waves])


def uar_of(clips: tuple[Clip, ...], summaries: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    made = partition(clips, Split(name="speaker-5fold-present"))
    test = train_mfcc_svm(summaries, labels, made, n_classes=6).predictions["test"]
    return unweighted_average_recall(confusion_matrix(labels[test.positions], test.labels, n_classes=6))


def test_uar_on_new_speakers_is_above_chance_and_that_on_shuffled_labels_is_not(
    clips: tuple[Clip, ...], summaries: NDArray[np.float64]
) -> None:
    labels = np.array([CremaD.emotions.index(clip.emotion) for clip in clips])
    assert uar_of(clips, summaries, labels) > 0.38
    assert uar_of(clips, summaries, np.random.default_rng(0).permutation(labels)) < 0.25
