"""How a network is trained, as settings, and the course of the learning rate."""

import math
from typing import Annotated

from ser.settings.declaration import settings
from ser.settings.ranges import Choice, Floats, Ints


@settings
class Training:
    """How a network is trained: AdamW, weights decayed but neither biases nor norms."""

    max_epochs: Annotated[int, Ints(1, 500, searched=False)] = 40
    # Epochs without a better validation UAR after which training ends.
    patience: Annotated[int, Ints(1, 500, searched=False)] = 8
    batch_size: Annotated[int, Choice((16, 32, 64, 128))] = 32
    lr: Annotated[float, Floats(1e-5, 1e-2, log=True)] = 1e-3
    weight_decay: Annotated[float, Floats(1e-6, 1e-1, log=True)] = 1e-2
    schedule: Annotated[str, Choice(("cosine", "constant", "one_cycle"))] = "cosine"
    # Share of all steps over which the rate rises from zero; one_cycle has its own rise, of 30 %.
    warmup: Annotated[float, Floats(0.0, 0.2)] = 0.05
    clip_norm: Annotated[float, Floats(0.1, 10.0, log=True)] = 1.0
    label_smoothing: Annotated[float, Floats(0.0, 0.2)] = 0.05
    # Steps over which weights are averaged, exponentially; the average is validated and kept. 0 averages none.
    averaging: Annotated[int, Ints(0, 10_000, searched=False)] = 0
    # Weight of a clip in the loss: 'balanced' makes all classes count alike however many clips they have.
    class_weighting: Annotated[str, Choice(("none", "balanced"), searched=False)] = "none"
    # Share of the target that is what most listeners heard, the rest the intended emotion.
    vote_share: Annotated[float, Floats(0.0, 1.0, searched=False)] = 0.0
    seed: Annotated[int, Ints(0, 2**31 - 1, searched=False)] = 0
    # How steps are computed, evaluation aside; a sweep takes what it measures to be fastest for the cell.
    precision: Annotated[str, Choice(("float32", "bfloat16"), searched=False)] = "float32"
    memory_format: Annotated[str, Choice(("contiguous", "channels_last"), searched=False)] = "contiguous"


def lr_factor(done: float, *, settings: Training) -> float:
    """Learning rate as a share of `settings.lr` when `done`, in [0, 1], of all steps are done; in [0, 1].

    Source:
        cosine: Loshchilov and Hutter, SGDR (2017), eq. 5, without restarts. one_cycle: Smith and Topin,
        Super-convergence (2018), with cosine flanks, from 1/25.
    """
    if settings.schedule == "one_cycle":
        rising = done < 0.3
        return _cosine(1 - done / 0.3) * 0.96 + 0.04 if rising else _cosine((done - 0.3) / 0.7)
    if done < settings.warmup:
        return done / settings.warmup
    if settings.schedule == "constant":
        return 1.0
    return _cosine((done - settings.warmup) / (1 - settings.warmup))


def _cosine(position: float) -> float:
    """From 1 at 0 down to 0 at 1."""
    return (1 + math.cos(math.pi * position)) / 2
