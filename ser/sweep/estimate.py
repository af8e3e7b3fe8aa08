"""How long a sweep will take: a short probe of each cell, and the rungs played through with made-up scores."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from ser.experiment.bundle import build_network
from ser.experiment.experiment import Experiment
from ser.experiment.step_timing import choose_fastest, measure_step_times
from ser.sweep.plan import Plan
from ser.sweep.successive_halving import Rungs

_PLAYED = 200


@dataclass(frozen=True)
class CellEstimate:
    """Of one cell at its defaults: time per training clip, parameters, and expected epochs of all its trials."""

    ms_per_clip: float
    n_parameters: int
    n_epochs: float

    def seconds(self, n_train: int) -> float:
        """Of all trials one after the other."""
        return self.n_epochs * n_train * self.ms_per_clip / 1000


def estimate(plan: Plan, experiments: Mapping[str, Experiment]) -> dict[str, CellEstimate]:
    """Probe each cell for a second or so on as many threads as a trial gets.

    Early stopping is not foreseen, so long trainings end sooner than estimated; nor is evaluation, which is little.
    """
    torch.set_num_threads(max(1, int(plan.cpus_per_trial)))
    n_epochs = estimate_epochs(plan)
    return {cell: _probe(experiment, plan.fixed(cell), n_epochs) for cell, experiment in experiments.items()}


def estimate_epochs(plan: Plan) -> float:
    """Epochs that the trials of one cell train in all, on average over random orders of merit."""
    rng = np.random.default_rng(0)
    return float(np.mean([_play(plan, rng) for _ in range(_PLAYED)]))


def _play(plan: Plan, rng: np.random.Generator) -> int:
    rungs = Rungs(grace=plan.grace_epochs, max_epochs=plan.max_epochs, reduction=plan.reduction)
    total = 0
    for score in rng.random(plan.trials_per_cell):
        stops = (m for m in rungs.milestones if not rungs.record(epoch=m, score=float(score)))
        total += next(stops, plan.max_epochs)
    return total


def _probe(experiment: Experiment, fixed: set[str], n_epochs: float) -> CellEstimate:
    return CellEstimate(
        ms_per_clip=choose_fastest(measure_step_times(experiment, fixed=fixed)).ms_per_clip,
        n_parameters=sum(parameter.numel() for parameter in build_network(experiment).parameters()),
        n_epochs=n_epochs,
    )
