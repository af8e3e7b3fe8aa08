"""What a sweep takes of a machine, roughly: of the plan, the networks of its defaults and the clips."""

import os
from dataclasses import dataclass

import torch

from ser.bundle import network
from ser.corpora.base import CORPORA
from ser.distributed.plan import Plan

# Measured on 2 cores: a driver with its Ray, a worker with torch and a small network, the features of a clip.
_DRIVER_BYTES = 1_200_000_000
_TRIAL_BYTES = 800_000_000
BYTES_PER_CLIP = 110_000

# Weights, their gradient, two moments, the best weights and a copy on the way to the disk.
_COPIES_IN_TRAINING = 6
_COPIES_IN_STATE = 4
_BYTES_PER_WEIGHT = 4


@dataclass(frozen=True)
class Needs:
    """Of one sweep.

    Attributes:
        n_slots: trials that run at a time.
        features: bytes of the features of all clips, on disk and again in Ray's shared memory.
        trials_on_disk: bytes of the weights that its trials leave, and of the states of the open ones, at most.
        memory: bytes, without the features.
    """

    n_slots: int
    features: int
    trials_on_disk: int
    memory: int


def needs_of(plan: Plan, *, n_clips: int | None = None) -> Needs:
    """What the plan takes on this machine alone; without a number of clips the corpus is taken as whole."""
    n_clips = CORPORA[plan.corpus].n_published_clips if n_clips is None else n_clips
    weights = {cell: n * _BYTES_PER_WEIGHT for cell, n in _n_weights(plan).items()}
    n_slots = max(1, int((os.cpu_count() or 1) / plan.cpus_per_trial))
    largest = max(weights.values())
    return Needs(
        n_slots=n_slots,
        features=n_clips * BYTES_PER_CLIP,
        trials_on_disk=plan.trials_per_cell * sum(weights.values()) + n_slots * _COPIES_IN_STATE * largest,
        memory=_DRIVER_BYTES + n_slots * (_TRIAL_BYTES + _COPIES_IN_TRAINING * largest),
    )


def _n_weights(plan: Plan) -> dict[str, int]:
    with torch.device("meta"):  # shapes alone
        networks = {cell: network(experiment) for cell, experiment in plan.experiments().items()}
    return {cell: sum(p.numel() for p in made.parameters()) for cell, made in networks.items()}
