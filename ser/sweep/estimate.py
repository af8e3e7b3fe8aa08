"""Estimate of a sweep's duration: a short timing of each cell, and a simulation of its rungs with random scores."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from ser.experiment.bundle import build_network
from ser.experiment.experiment import Experiment
from ser.experiment.step_timing import choose_fastest, measure_step_times
from ser.sweep.plan import Plan
from ser.sweep.successive_halving import Rungs

_N_SIMULATIONS = 200


@dataclass(frozen=True)
class CellEstimate:
    """Estimate for one cell at its defaults.

    Attributes:
        ms_per_clip: milliseconds of training per clip and epoch.
        n_parameters: number of parameters of the network.
        n_epochs: expected epochs of all its trials together.
    """

    ms_per_clip: float
    n_parameters: int
    n_epochs: float

    def seconds(self, n_train: int) -> float:
        """Seconds of all trials of the cell, one after the other.

        Args:
            n_train: number of training clips.
        """
        return self.n_epochs * n_train * self.ms_per_clip / 1000


def estimate(plan: Plan, experiments: Mapping[str, Experiment]) -> dict[str, CellEstimate]:
    """Estimate each cell, by timing its training steps for about a second with as many threads as a trial gets.

    Early stopping is not considered, so long trainings end sooner than estimated; evaluation takes little time and is
    not considered either.

    Args:
        plan: plan of the sweep.
        experiments: defaults of each cell, by its name.
    """
    torch.set_num_threads(max(1, int(plan.cpus_per_trial)))
    n_epochs = estimate_epochs(plan)
    return {cell: _estimate_cell(experiment, plan.fixed(cell), n_epochs) for cell, experiment in experiments.items()}


def estimate_epochs(plan: Plan) -> float:
    """Mean total of epochs that the trials of one cell train, over random rankings of the trials."""
    rng = np.random.default_rng(0)
    return float(np.mean([_simulate_cell(plan, rng) for _ in range(_N_SIMULATIONS)]))


def _simulate_cell(plan: Plan, rng: np.random.Generator) -> int:
    """Total of epochs of one cell's trials, which reach the rungs one after the other with random scores."""
    rungs = Rungs(grace=plan.grace_epochs, max_epochs=plan.max_epochs, reduction=plan.reduction)
    total = 0
    for score in rng.random(plan.trials_per_cell):
        stops_at = (m for m in rungs.milestones if not rungs.record(epoch=m, score=float(score)))
        total += next(stops_at, plan.max_epochs)
    return total


def _estimate_cell(experiment: Experiment, fixed: set[str], n_epochs: float) -> CellEstimate:
    return CellEstimate(
        ms_per_clip=choose_fastest(measure_step_times(experiment, fixed=fixed)).ms_per_clip,
        n_parameters=sum(parameter.numel() for parameter in build_network(experiment).parameters()),
        n_epochs=n_epochs,
    )
