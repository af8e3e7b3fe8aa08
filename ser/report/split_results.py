"""Results of networks and baselines on the test clips of a split."""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ser.errors import UserError
from ser.evaluation.baselines import BASELINES, HUMAN_VOTE, MAJORITY, MFCC_SVM, baseline_path
from ser.evaluation.complete_seeds import keep_complete_seeds
from ser.evaluation.predictions import Predictions, PredictionsError, concatenate_predictions, read_predictions
from ser.evaluation.significance import have_same_clips
from ser.evaluation.speaker_counts import SpeakerCounts
from ser.experiment.trial import PREDICTIONS_FILE
from ser.splits.leaks import check_predictions
from ser.splits.manifests import load_manifests
from ser.sweep.journal import FINAL, SEARCH
from ser.sweep.state import SweepState, SweepTrial

BASELINE_TITLES = {MAJORITY: "chance", MFCC_SVM: "MFCC + SVM", HUMAN_VOTE: "listeners' vote"}
"""Name of each baseline in the report."""

_PARTS = ("validation", "test")


@dataclass(frozen=True)
class NetworkResult:
    """Result of a network or a baseline on the test clips of a split.

    Attributes:
        name: of the cell or the baseline.
        trials: trials that made the predictions, of every fold and seed; empty for a baseline.
        predictions: predictions on the test clips, all folds and seeds concatenated.
    """

    name: str
    trials: tuple[SweepTrial, ...]
    predictions: Predictions

    @cached_property
    def counts(self) -> SpeakerCounts:
        """Predictions counted by seed and speaker."""
        return self.predictions.counts()

    @property
    def validation_uar(self) -> float:
        """Mean over trials of the best validation UAR in [0, 1]; NaN for a baseline."""
        return self._mean(lambda trial: trial.best.metrics["val_uar"] if trial.best else math.nan) or math.nan

    @property
    def n_parameters(self) -> int | None:
        """Number of weights; None for a baseline."""
        ended = self.trials[0].ended if self.trials else None
        return int(ended.test["n_parameters"]) if ended else None

    @property
    def train_seconds(self) -> float | None:
        """Mean over trials of the time of training in seconds; None for a baseline."""
        return self._mean(lambda trial: float(trial.ended.test["train_seconds"]) if trial.ended else math.nan)

    def _mean(self, value: Callable[[SweepTrial], float]) -> float | None:
        return sum(map(value, self.trials)) / len(self.trials) if self.trials else None


@dataclass(frozen=True)
class SplitResults:
    """Results of one stage on one split.

    Attributes:
        stage: 'search' (the trial with the best validation UAR) or 'final' (trained again over folds and seeds).
        split: name of the split.
        networks: networks evaluated on the same clips with the same number of seeds, best validation UAR first.
        baselines: baselines on the same clips.
        incomplete: networks that lack seeds of the others; only seeds with every fold count.
        problems: descriptions of predictions that cannot be read or compared.
    """

    stage: str
    split: str
    networks: tuple[NetworkResult, ...]
    baselines: tuple[NetworkResult, ...]
    incomplete: tuple[NetworkResult, ...]
    problems: tuple[str, ...]

    @property
    def with_baselines(self) -> tuple[NetworkResult, ...]:
        """Networks, then baselines."""
        return self.networks + self.baselines

    @property
    def n_runs(self) -> int:
        """Number of trials of each network."""
        return len(self.networks[0].trials)

    @property
    def shares_speakers(self) -> bool:
        """True if the speakers of test clips may be in the training data."""
        return "speaker" not in load_manifests()[self.split].claims

    @property
    def title(self) -> str:
        """Name in the report."""
        stage = "final evaluation" if self.stage == FINAL else "best trial of the search"
        return f"{stage}, split {self.split}"


@dataclass(frozen=True)
class _Run:
    """Trial with its predictions on test clips."""

    trial: SweepTrial
    predictions: Predictions

    @property
    def fold(self) -> int:
        """Fold of the split."""
        return self.trial.split.fold

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return self.trial.seed


@dataclass(frozen=True)
class _SelectionClips:
    """Names of the validation clips of the search, with descriptions of predictions that cannot be read."""

    clips: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()


def collect_results(record: SweepState, folder: Path) -> list[SplitResults]:
    """Collect the results of a sweep by stage and split, the most informative first.

    Args:
        record: state of the sweep.
        folder: folder of the sweep, which holds its baselines.
    """
    chosen = [trial for cell in sorted({key.cell for key in record.trials}) if (trial := record.best_of_cell(cell))]
    groups: dict[tuple[str, str], list[SweepTrial]] = defaultdict(list)
    for trial in record.final_trials():
        if trial.outcome == "completed":
            groups[FINAL, trial.split.name].append(trial)
    for trial in chosen:
        groups[SEARCH, str(record.plan.split)].append(trial)
    selection = _read_selection_clips(chosen)
    collected = [
        _collect_split(stage, split, trials, folder, selection if stage == FINAL else _SelectionClips())
        for (stage, split), trials in groups.items()
    ]
    return sorted((results for results in collected if results.networks), key=_rank)


def _rank(results: SplitResults) -> tuple[bool, bool, int]:
    """Final evaluation before search, new speakers before known ones, more runs before fewer."""
    return results.stage != FINAL, results.shares_speakers, -results.n_runs


def _collect_split(
    stage: str, split: str, trials: list[SweepTrial], folder: Path, selection: _SelectionClips
) -> SplitResults:
    runs, problems = _read_runs(trials, selection)
    folds = {run.fold for listed in runs.values() for run in listed}
    complete = {cell: _keep_complete(listed, folds) for cell, listed in runs.items()}
    problems += [
        f"{cell}: no seed was evaluated on all {len(folds)} folds yet"
        for cell, listed in complete.items()
        if not listed
    ]
    evaluated = [_concatenate_runs(cell, listed) for cell, listed in complete.items() if listed]
    networks = _keep_comparable(evaluated)
    incomplete = [network for network in evaluated if network not in networks]
    baselines = []
    for name in BASELINES:
        try:
            baselines.append(_read_baseline(name, complete[networks[0].name] if networks else [], folder))
        except PredictionsError as error:
            problems.append(f"{BASELINE_TITLES[name]}: {error}")
    ranked = sorted(networks, key=lambda network: (-network.validation_uar, network.name))
    return SplitResults(stage, split, tuple(ranked), tuple(filter(None, baselines)), tuple(incomplete), tuple(problems))


def _read_runs(trials: list[SweepTrial], selection: _SelectionClips) -> tuple[dict[str, list[_Run]], list[str]]:
    """Read the predictions of trials by cell, with descriptions of those that cannot be used."""
    runs: dict[str, list[_Run]] = defaultdict(list)
    problems = list(selection.problems)
    for trial in trials:
        assert trial.ended is not None
        path = Path(trial.ended.bundle) / PREDICTIONS_FILE
        try:
            predictions = _read_test_predictions(trial, path, selection.clips)
        except UserError as error:
            problems.append(f"{trial.key.short}: {error}")
        else:
            runs[trial.key.cell].append(_Run(trial, predictions))
    return runs, problems


def _keep_complete(runs: list[_Run], folds: set[int]) -> list[_Run]:
    """Keep the seeds that have every fold."""
    return keep_complete_seeds(runs, seed=lambda run: run.seed, fold=lambda run: run.fold, folds=folds)


def _concatenate_runs(cell: str, runs: list[_Run]) -> NetworkResult:
    predictions = concatenate_predictions([run.predictions for run in runs])
    return NetworkResult(cell, tuple(run.trial for run in runs), predictions)


def _keep_comparable(networks: Collection[NetworkResult]) -> list[NetworkResult]:
    """Keep the networks with the clips and the number of seeds of the one with the most predictions."""
    if not networks:
        return []
    most = max(networks, key=lambda network: len(network.predictions)).counts
    return [network for network in networks if have_same_clips(network.counts, most)]


def _read_test_predictions(trial: SweepTrial, path: Path, selection: frozenset[str]) -> Predictions:
    """Read the predictions on test clips and refuse them if they leak."""
    values = trial.asked.values
    parts = {part: read_predictions(path, part=part, repeat=int(values["training.seed"])) for part in _PARTS}
    rows = [
        {"clip": str(clip), "part": part, "speaker": str(speaker)}
        for part, predictions in parts.items()
        for clip, speaker in zip(predictions.clips, predictions.speakers, strict=True)
    ]
    check_predictions(str(values["split.name"]), rows, selection)
    return parts["test"]


def _read_selection_clips(trials: Iterable[SweepTrial]) -> _SelectionClips:
    names: set[str] = set()
    problems = []
    for trial in trials:
        path = Path(trial.ended.bundle if trial.ended else "") / PREDICTIONS_FILE
        try:
            names.update(map(str, read_predictions(path, part="validation").clips))
        except PredictionsError as error:
            problems.append(f"leak check of test clips against the clips that selected {trial.key.short}: {error}")
    return _SelectionClips(frozenset(names), tuple(problems))


def _read_baseline(name: str, runs: list[_Run], folder: Path) -> NetworkResult | None:
    """Read a baseline on exactly the clips of the runs; None if it was not measured on all of them."""
    parts = []
    for run in runs:
        path = baseline_path(folder, name, run.trial.experiment.split)
        if not path.exists():
            return None
        predictions = read_predictions(path, part="test", repeat=int(run.predictions.repeats[0]))
        parts.append(predictions.select(np.isin(predictions.clips, run.predictions.clips)))
        if len(parts[-1]) != len(run.predictions):
            return None
    return NetworkResult(BASELINE_TITLES[name], (), concatenate_predictions(parts)) if parts else None
