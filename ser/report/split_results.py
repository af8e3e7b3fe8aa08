"""Networks side by side: what each made of the test clips of a split, and what they are compared with."""

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
_PARTS = ("validation", "test")


@dataclass(frozen=True)
class NetworkResult:
    """What a network, or what it is compared with, made of the test clips of a split.

    Attributes:
        name: of the cell, or of the baseline.
        trials: whose predictions these are, of every fold and seed; none of a baseline.
        predictions: of the test clips, all folds and seeds together.
    """

    name: str
    trials: tuple[SweepTrial, ...]
    predictions: Predictions

    @cached_property
    def counts(self) -> SpeakerCounts:
        """Its predictions counted by seed and speaker."""
        return self.predictions.counts()

    def mean(self, value: Callable[[SweepTrial], float]) -> float | None:
        """Mean over its trials; None of a baseline."""
        return sum(map(value, self.trials)) / len(self.trials) if self.trials else None


@dataclass(frozen=True)
class SplitResults:
    """Networks that were evaluated in the same way.

    Attributes:
        stage: 'search' (the trial that validation chose) or 'final' (trained again over folds and seeds).
        split: its name.
        networks: evaluated on the same clips with as many seeds, best validation UAR first.
        baselines: what they are compared with on the same clips.
        partial: networks that lack seeds which others have; only seeds with every fold count.
        missing: sentences about predictions that cannot be read or compared.
    """

    stage: str
    split: str
    networks: tuple[NetworkResult, ...]
    baselines: tuple[NetworkResult, ...]
    partial: tuple[NetworkResult, ...]
    missing: tuple[str, ...]

    @property
    def lines(self) -> tuple[NetworkResult, ...]:
        """Networks and baselines."""
        return self.networks + self.baselines

    @property
    def n_runs(self) -> int:
        """Trials that each of its networks has."""
        return len(self.networks[0].trials)

    @property
    def knows_speakers(self) -> bool:
        """Whether test clips are of speakers that the training heard."""
        return "speaker" not in load_manifests()[self.split].claims

    @property
    def title(self) -> str:
        """Its name on the page."""
        what = "final evaluation" if self.stage == FINAL else "best trial of the search"
        return f"{what}, split {self.split}"


@dataclass(frozen=True)
class _Run:
    """A trial and its predictions of test clips."""

    trial: SweepTrial
    tested: Predictions

    @property
    def fold(self) -> int:
        """Of its split."""
        return self.trial.split.fold

    @property
    def seed(self) -> int:
        """Of its training."""
        return self.trial.seed


@dataclass(frozen=True)
class _Seen:
    """Names of the validation clips by which the search chose, and sentences about those that cannot be read."""

    clips: frozenset[str] = frozenset()
    missing: tuple[str, ...] = ()


def collect_results(record: SweepState, folder: Path) -> list[SplitResults]:
    """All ways in which a sweep's networks were evaluated, the one that counts most first.

    Args:
        record: what its journal says.
        folder: of the sweep, where its baselines are.
    """
    chosen = [trial for cell in sorted({key.cell for key in record.trials}) if (trial := record.best_of_cell(cell))]
    groups: dict[tuple[str, str], list[SweepTrial]] = defaultdict(list)
    for trial in record.final_trials():
        if trial.outcome == "completed":
            groups[FINAL, trial.split.name].append(trial)
    for trial in chosen:
        groups[SEARCH, str(record.plan.split)].append(trial)
    seen = _seen(chosen)
    boards = [
        _board(stage, split, trials, folder, seen if stage == FINAL else _Seen())
        for (stage, split), trials in groups.items()
    ]
    return sorted((board for board in boards if board.networks), key=_weight)


def _weight(board: SplitResults) -> tuple[bool, bool, int]:
    """Final before search, new speakers before known ones, more runs before fewer."""
    return board.stage != FINAL, board.knows_speakers, -board.n_runs


def _board(stage: str, split: str, trials: list[SweepTrial], folder: Path, seen: _Seen) -> SplitResults:
    runs: dict[str, list[_Run]] = defaultdict(list)
    missing = list(seen.missing)
    for trial in trials:
        assert trial.ended is not None
        path = Path(trial.ended.bundle) / PREDICTIONS_FILE
        try:
            tested = _tested(trial, path, seen.clips)
        except (PredictionsError, UserError) as error:
            missing.append(f"{trial.key.short}: {error}")
        else:
            runs[trial.key.cell].append(_Run(trial, tested))
    folds = {run.fold for listed in runs.values() for run in listed}
    whole = {cell: _whole(listed, folds) for cell, listed in runs.items()}
    missing += [
        f"{cell}: no seed was evaluated on all {len(folds)} folds yet" for cell, listed in whole.items() if not listed
    ]
    lines = [_line(cell, listed) for cell, listed in whole.items() if listed]
    networks = _alike(lines)
    partial = [line for line in lines if line not in networks]
    most = whole[networks[0].name] if networks else []
    baselines = []
    for name in BASELINES:
        try:
            baselines.append(_baseline(name, most, folder))
        except PredictionsError as error:
            missing.append(f"{BASELINE_TITLES[name]}: {error}")
    ranked = sorted(networks, key=lambda line: (-validation_uar(line), line.name))
    return SplitResults(stage, split, tuple(ranked), tuple(filter(None, baselines)), tuple(partial), tuple(missing))


def _whole(runs: list[_Run], folds: set[int]) -> list[_Run]:
    """Without the seeds that lack a fold."""
    return keep_complete_seeds(runs, seed=lambda run: run.seed, fold=lambda run: run.fold, folds=folds)


def _line(cell: str, runs: list[_Run]) -> NetworkResult:
    return NetworkResult(cell, tuple(run.trial for run in runs), concatenate_predictions([run.tested for run in runs]))


def _alike(lines: Collection[NetworkResult]) -> list[NetworkResult]:
    """Those that were evaluated on all clips with every seed: as the one with the most predictions."""
    if not lines:
        return []
    most = max(lines, key=lambda line: len(line.predictions)).counts
    return [line for line in lines if have_same_clips(line.counts, most)]


def _tested(trial: SweepTrial, path: Path, selected: frozenset[str]) -> Predictions:
    """The predictions of its test clips, unless a leak made them worthless."""
    values = trial.asked.values
    parts = {part: read_predictions(path, part=part, repeat=int(values["training.seed"])) for part in _PARTS}
    rows = [
        {"clip": str(clip), "part": part, "speaker": str(speaker)}
        for part, read in parts.items()
        for clip, speaker in zip(read.clips, read.speakers, strict=True)
    ]
    check_predictions(str(values["split.name"]), rows, selected)
    return parts["test"]


def _seen(trials: Iterable[SweepTrial]) -> _Seen:
    names: set[str] = set()
    missing = []
    for trial in trials:
        path = Path(trial.ended.bundle if trial.ended else "") / PREDICTIONS_FILE
        try:
            names.update(map(str, read_predictions(path, part="validation").clips))
        except PredictionsError as error:
            missing.append(f"whether the clips that chose {trial.key.short} are tested on, for {error}")
    return _Seen(frozenset(names), tuple(missing))


def _baseline(name: str, runs: list[_Run], folder: Path) -> NetworkResult | None:
    """A baseline on the very clips of the runs, or None where it was not measured on all of them."""
    parts = []
    for run in runs:
        path = baseline_path(folder, name, run.trial.experiment.split)
        if not path.exists():
            return None
        answers = read_predictions(path, part="test", repeat=int(run.tested.repeats[0]))
        parts.append(answers.select(np.isin(answers.clips, run.tested.clips)))
        if len(parts[-1]) != len(run.tested):
            return None
    return NetworkResult(BASELINE_TITLES[name], (), concatenate_predictions(parts)) if parts else None


def validation_uar(line: NetworkResult) -> float:
    """Mean over its trials of the best validation UAR."""
    return line.mean(lambda trial: trial.best.metrics["val_uar"] if trial.best else math.nan) or math.nan


def n_parameters(line: NetworkResult) -> int | None:
    """Weights of the network; None of a baseline."""
    ended = line.trials[0].ended if line.trials else None
    return int(ended.test["n_parameters"]) if ended else None


def train_seconds(line: NetworkResult) -> float | None:
    """Mean over its trials of the time of training; None of a baseline."""
    return line.mean(lambda trial: float(trial.ended.test["train_seconds"]) if trial.ended else math.nan)
