"""Settings of a training, and its learning-rate schedule."""

import math
from typing import Annotated

from ser.settings.declaration import settings
from ser.settings.ranges import Choice, Floats, Ints


@settings
class Training:
    """Settings of a training with AdamW; weights are decayed, biases and normalisation are not."""

    max_epochs: Annotated[int, Ints(1, 500, searched=False)] = 40
    # Number of epochs without a better validation UAR after which training ends.
    patience: Annotated[int, Ints(1, 500, searched=False)] = 8
    batch_size: Annotated[int, Choice((16, 32, 64, 128))] = 32
    lr: Annotated[float, Floats(1e-5, 1e-2, log=True)] = 1e-3
    weight_decay: Annotated[float, Floats(1e-6, 1e-1, log=True)] = 1e-2
    schedule: Annotated[str, Choice(("cosine", "constant", "one_cycle"))] = "cosine"
    # Share of all steps over which the learning rate rises from zero; one_cycle has its own rise, of 30 %.
    warmup: Annotated[float, Floats(0.0, 0.2)] = 0.05
    clip_norm: Annotated[float, Floats(0.1, 10.0, log=True)] = 1.0
    label_smoothing: Annotated[float, Floats(0.0, 0.2)] = 0.05
    # Number of steps over which weights are averaged exponentially; 0 disables averaging. The averaged network is the
    # one that is validated and saved.
    averaging: Annotated[int, Ints(0, 10_000, searched=False)] = 0
    # Weights of the classes in the loss: 'balanced' makes all count alike, whatever their numbers of clips.
    class_weighting: Annotated[str, Choice(("none", "balanced"), searched=False)] = "none"
    # Share of the target that is the listeners' majority vote; the rest is the intended emotion.
    vote_share: Annotated[float, Floats(0.0, 1.0, searched=False)] = 0.0
    seed: Annotated[int, Ints(0, 2**31 - 1, searched=False)] = 0
    # Arithmetic of training steps, not of evaluation; a sweep chooses the fastest for the cell by measurement.
    precision: Annotated[str, Choice(("float32", "bfloat16"), searched=False)] = "float32"
    memory_format: Annotated[str, Choice(("contiguous", "channels_last"), searched=False)] = "contiguous"


def lr_factor(done: float, *, settings: Training) -> float:
    """Learning rate as a share of `settings.lr`, in [0, 1].

    Args:
        done: share of all steps that are done, in [0, 1].
        settings: schedule and warm-up.

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
    """Half a cosine, from 1 at position 0 down to 0 at position 1."""
    return (1 + math.cos(math.pi * position)) / 2
