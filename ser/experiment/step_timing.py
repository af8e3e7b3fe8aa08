"""Duration of training steps on this machine, measured on noise for each precision and memory format."""

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

# Smaller gains cannot be distinguished from the noise of the measurement.
_LEAST_SPEEDUP = 1.1
_STEPS = 2
_MEASURED_S, _MOST_ROUNDS = 1.5, 8


@dataclass(frozen=True)
class StepTiming:
    """Settings of precision and memory format, and the duration of a training step per clip with them."""

    values: dict[str, Value]
    ms_per_clip: float


def measure_step_times(
    experiment: Experiment, *, device: torch.device | str = "cpu", fixed: Set[str] = frozenset()
) -> tuple[StepTiming, ...]:
    """Measure training steps with each precision and memory format that the device supports.

    They are measured in turn, and the fastest round of each counts, so that other work of the machine affects none of
    them alone. The measurement takes a second or two, or three rounds if steps are slower.

    Args:
        experiment: its network is trained on noise.
        device: to measure.
        fixed: dotted names of settings that keep the experiment's values.

    Returns:
        At least one timing; that of the plainest settings is first.
    """
    device = torch.device(device)
    candidates = _list_candidates(experiment, device, fixed)
    trainings = [iter(_start_training(experiment.with_values(values), device)) for values in candidates]
    for training in trainings:
        next(training)
    best = [float("inf")] * len(candidates)
    spent_s = 0.0
    for n_round in itertools.count(1):
        for i, training in enumerate(trainings):
            seconds = next(training).seconds
            spent_s += seconds
            best[i] = min(best[i], seconds)
        if n_round == _MOST_ROUNDS or (n_round >= 2 and spent_s > _MEASURED_S):
            break
    n_clips = _STEPS * experiment.training.batch_size
    return tuple(StepTiming(values, 1000 * s / n_clips) for values, s in zip(candidates, best, strict=True))


def choose_fastest(timings: tuple[StepTiming, ...]) -> StepTiming:
    """Choose the fastest timing, or the first, plain one if that is at most 10 % slower."""
    plain, best = timings[0], min(timings, key=lambda timing: timing.ms_per_clip)
    return best if plain.ms_per_clip > _LEAST_SPEEDUP * best.ms_per_clip else plain


def _list_candidates(experiment: Experiment, device: torch.device, fixed: Set[str]) -> list[dict[str, Value]]:
    precisions = ["float32", "bfloat16"] if _supports_bfloat16(device) else ["float32"]
    # PyTorch has this format for 2-D maps alone.
    formats = ["contiguous", "channels_last"] if experiment.cell.dimensions == 2 else ["contiguous"]
    if PRECISION in fixed:
        precisions = [experiment.training.precision]
    if MEMORY_FORMAT in fixed:
        formats = [experiment.training.memory_format]
    return [{PRECISION: p, MEMORY_FORMAT: f} for p, f in itertools.product(precisions, formats)]


def _supports_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _start_training(experiment: Experiment, device: torch.device) -> Fit:
    # Training must not end early, and noise has no votes, which do not affect the duration of a step.
    overrides: dict[str, Value] = {"training.max_epochs": 500, "training.patience": 500, "training.vote_share": 0.0}
    experiment = experiment.with_values(overrides)
    return fit(
        build_network(experiment),
        train=_make_noise(experiment, _STEPS * experiment.training.batch_size),
        validation=_make_noise(experiment, 1),
        n_classes=experiment.n_classes,
        settings=experiment.training,
        augment=experiment.augment,
        device=device,
    )


def _make_noise(experiment: Experiment, n_clips: int) -> ClipSet:
    """Clips of noise, a tenth longer than the crop that is the input of the network."""
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
