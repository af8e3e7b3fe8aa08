"""How long training takes on this machine: a few steps on noise, for each way to compute them."""

import itertools
from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np
import torch

from ser.experiment.bundle import build_network
from ser.experiment.experiment import Experiment
from ser.features.dataset import ClipSet, Normalisation, join_clips
from ser.settings.ranges import Value
from ser.training.loop import Fit, fit

PRECISION, MEMORY_FORMAT = "training.precision", "training.memory_format"
PLAIN: Mapping[str, Value] = {PRECISION: "float32", MEMORY_FORMAT: "contiguous"}

# What measurement alone cannot tell from noise is not worth a change.
_WORTHWHILE = 1.1
_STEPS = 2
_LONG_ENOUGH_S, _MOST_ROUNDS = 1.5, 8


@dataclass(frozen=True)
class StepTiming:
    """One way to compute a training step: its settings, and what it takes per clip."""

    values: dict[str, Value]
    ms_per_clip: float


def measure_step_times(
    experiment: Experiment, *, device: torch.device | str = "cpu", fixed: Set[str] = frozenset()
) -> tuple[StepTiming, ...]:
    """The ways that the device has for this experiment, each measured, at least one; the plainest is first.

    Settings named in `fixed` stay as the experiment has them.

    They take turns, and the fastest round of each counts: what else the machine does falls on none of them alone.
    Takes a second or two, or three rounds where a step is slower than that.
    """
    device = torch.device(device)
    ways = _ways(experiment, device, fixed)
    trainings = [iter(_training(experiment.with_values(values), device)) for values in ways]
    for training in trainings:
        next(training)
    best = [float("inf")] * len(ways)
    spent_s = 0.0
    for n_round in itertools.count(1):
        for i, training in enumerate(trainings):
            seconds = next(training).seconds
            spent_s += seconds
            best[i] = min(best[i], seconds)
        if n_round == _MOST_ROUNDS or (n_round >= 2 and spent_s > _LONG_ENOUGH_S):
            break
    n_clips = _STEPS * experiment.training.batch_size
    return tuple(StepTiming(values, 1000 * s / n_clips) for values, s in zip(ways, best, strict=True))


def choose_fastest(ways: tuple[StepTiming, ...]) -> StepTiming:
    """The fastest way, or the plain one where that is about as fast."""
    plain, best = ways[0], min(ways, key=lambda way: way.ms_per_clip)
    return best if plain.ms_per_clip > _WORTHWHILE * best.ms_per_clip else plain


def _ways(experiment: Experiment, device: torch.device, fixed: Set[str]) -> list[dict[str, Value]]:
    precisions = ["float32", "bfloat16"] if _has_bfloat16(device) else ["float32"]
    # Only pictures have channels to lay out last.
    formats = ["contiguous", "channels_last"] if experiment.cell.dimensions == 2 else ["contiguous"]
    if PRECISION in fixed:
        precisions = [experiment.training.precision]
    if MEMORY_FORMAT in fixed:
        formats = [experiment.training.memory_format]
    return [{PRECISION: p, MEMORY_FORMAT: f} for p, f in itertools.product(precisions, formats)]


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _training(experiment: Experiment, device: torch.device) -> Fit:
    # Nobody has voted on noise; votes cost nothing that a step takes time for.
    without = {"training.max_epochs": 500, "training.patience": 500, "training.vote_share": 0.0}
    experiment = experiment.with_values(without)
    return fit(
        build_network(experiment),
        train=_noise(experiment, _STEPS * experiment.training.batch_size),
        validation=_noise(experiment, 1),
        n_classes=experiment.n_classes,
        settings=experiment.training,
        augment=experiment.augment,
        device=device,
    )


def _noise(experiment: Experiment, n_clips: int) -> ClipSet:
    """Clips of noise, a little longer than what the network sees of them."""
    space = experiment.features
    rng = np.random.default_rng(0)
    shape = (space.n_frames + space.n_frames // 10, space.n_rows)
    n_rows = len(space.selected_rows)
    return ClipSet(
        matrix=join_clips([rng.standard_normal(shape, dtype=np.float32) for _ in range(n_clips)]),
        clips=np.arange(n_clips),
        labels=np.arange(n_clips) % experiment.n_classes,
        space=space,
        normalisation=Normalisation(np.zeros(n_rows, np.float32), np.ones(n_rows, np.float32)),
    )
