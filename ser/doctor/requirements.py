"""Rough requirements of a sweep, estimated from its plan, its networks at their default settings and its clips."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from ser.corpora.base import CORPORA
from ser.experiment.bundle import build_network
from ser.experiment.experiment import Experiment
from ser.features.spaces import name_stored_features
from ser.sweep.plan import Plan

# Measured on 2 cores: a driver process with its Ray, a worker with torch and a small network, features of a clip.
_DRIVER_BYTES = 1_200_000_000
_TRIAL_BYTES = 800_000_000
BYTES_PER_CLIP = 110_000

# Weights, gradient, two moments, the best weights, and a copy that is being written to the disk.
_COPIES_IN_TRAINING = 6
_COPIES_IN_STATE = 4
_BYTES_PER_WEIGHT = 4


@dataclass(frozen=True)
class Requirements:
    """Requirements of one sweep.

    Attributes:
        n_slots: trials that run at a time.
        features: bytes of the features of all clips, on disk and again in Ray's shared memory.
        trials_on_disk: largest number of bytes of bundles of ended trials and checkpoints of open ones.
        memory: bytes of memory, without the features.
    """

    n_slots: int
    features: int
    trials_on_disk: int
    memory: int


def estimate_requirements(plan: Plan, *, n_clips: int | None = None) -> Requirements:
    """Estimate the requirements of a plan on this machine alone.

    Args:
        plan: the plan.
        n_clips: number of clips; None for the whole published corpus.
    """
    n_clips = CORPORA[plan.corpus].n_published_clips if n_clips is None else n_clips
    trained = plan.trained_experiments
    weights = [n * _BYTES_PER_WEIGHT for n in _count_weights(trained.values())]
    n_slots = max(1, int((os.cpu_count() or 1) / plan.cpus_per_trial))
    largest = max(weights)
    n_kept = 0 if plan.is_ablation else plan.trials_per_cell
    return Requirements(
        n_slots=n_slots,
        features=n_clips
        * BYTES_PER_CLIP
        * (1 + len(_list_stored(trained.values()) - _list_stored(plan.experiments.values()))),
        trials_on_disk=n_kept * sum(weights) + n_slots * _COPIES_IN_STATE * largest,
        memory=_DRIVER_BYTES + n_slots * (_TRIAL_BYTES + _COPIES_IN_TRAINING * largest),
    )


def _list_stored(experiments: Iterable[Experiment]) -> set[str]:
    return {name_stored_features(experiment.features) for experiment in experiments}


def _count_weights(experiments: Iterable[Experiment]) -> list[int]:
    with torch.device("meta"):  # shapes without memory
        return [sum(p.numel() for p in build_network(experiment).parameters()) for experiment in experiments]
