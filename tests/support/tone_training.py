"""Trainings of a few seconds, on noise in which the class sets the row that is louder."""

from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from ser.models.base import ARCHITECTURES, Dimensions, build_model
from ser.training.augmentation import Augment
from ser.training.loop import fit
from ser.training.settings import Training

N_CLASSES = 3
PLAIN = Augment(n_time_masks=0, n_frequency_masks=0, mixup_alpha=0.0)
CHANGED = Augment(time_stretch=0.1, mixup_alpha=0.2)
QUICK = Training(max_epochs=6, batch_size=16, lr=3e-3)


class Tones:
    """Noise in which the class sets the row that is louder: (B, 8, 40) or (B, 1, 40, 60)."""

    def __init__(self, n_clips: int, *, seed: int, dimensions: int = 1) -> None:
        rng = np.random.default_rng(seed)
        self.labels = np.arange(n_clips, dtype=np.int64) % N_CLASSES
        shape = (n_clips, 8, 40) if dimensions == 1 else (n_clips, 1, 40, 60)
        self.clips = rng.standard_normal(shape, dtype=np.float32)
        for clip, label in zip(self.clips, self.labels, strict=True):
            clip.reshape(shape[-2:])[label * 2] += 1.5
        self.labels.flags.writeable = False

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, positions, rng):
        clips = self.clips[positions]
        return clips if rng is None else np.roll(clips, rng.integers(5), axis=-1)


TRAIN, VALIDATION = Tones(75, seed=1), Tones(30, seed=2)


def model(seed: int = 0, *, name: str = "sercnn", dimensions: Dimensions = 1) -> nn.Module:
    architecture: Any = ARCHITECTURES[name]
    return build_model(
        architecture(width={"sercnn": 0.25}.get(name, 0.125)),
        dimensions=dimensions,
        in_channels=8 if dimensions == 1 else 1,
        n_classes=N_CLASSES,
        seed=seed,
    )


def start(network=None, *, settings=QUICK, **changes):
    parts = {"train": TRAIN, "validation": VALIDATION, "augment": CHANGED, **changes}
    return fit(model() if network is None else network, n_classes=N_CLASSES, settings=settings, **parts)


def figures(epoch):
    """Everything but the time it took."""
    return {**vars(replace(epoch, seconds=0.0)), "confusion": epoch.confusion.tolist()}
