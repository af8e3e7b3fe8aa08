"""An ablation: what each variant is worth against the baseline, on validation clips, paired by speaker."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table

from ser.evaluation.bootstrap import N_RESAMPLES
from ser.evaluation.complete_seeds import keep_complete_seeds
from ser.evaluation.predictions import Predictions, PredictionsError, concatenate_predictions, read_predictions
from ser.evaluation.significance import Comparison, compare, correct_p_values, have_same_clips
from ser.evaluation.speaker_counts import FIGURES, SpeakerCounts
from ser.experiment.trial import PREDICTIONS_FILE
from ser.sweep.journal import BASELINE
from ser.sweep.state import SweepState, SweepTrial

_UAR = FIGURES["uar"]
# Enough for a p value of 0.05 after the correction for some dozens of variants.
_N_EXCHANGES = 20_000


@dataclass(frozen=True)
class Variant:
    """A variant of a cell, trained on every fold with one or more seeds.

    Attributes:
        cell: that it is of.
        split: that it was trained on.
        name: `baseline`, or as the plan calls it.
        trials: of every fold and seed.
        predictions: of the validation clips, all folds and seeds together.
        against: how it compares with the baseline on the same clips and seeds; None of the baseline itself.
    """

    cell: str
    split: str
    name: str
    trials: tuple[SweepTrial, ...]
    predictions: Predictions
    against: Comparison | None = None

    @cached_property
    def counts(self) -> SpeakerCounts:
        """Its predictions counted by seed and speaker."""
        return self.predictions.counts()

    @property
    def uar(self) -> float:
        """Mean over seeds of the UAR on the validation clips of all folds."""
        return self.counts.figure(_UAR)

    @property
    def seed_spread(self) -> float:
        """Standard deviation between seeds; NaN of one."""
        return self.counts.spread(_UAR)

    @property
    def n_seeds(self) -> int:
        """Of its trainings."""
        return len({trial.seed for trial in self.trials})

    @property
    def n_parameters(self) -> int:
        """Weights of the network."""
        ended = self.trials[0].ended
        assert ended is not None
        return int(ended.test["n_parameters"])

    @property
    def seconds(self) -> float:
        """Mean over its trainings."""
        return sum(float(trial.ended.test["train_seconds"]) for trial in self.trials if trial.ended) / len(self.trials)


def compare_variants(record: SweepState, *, n_resamples: int = N_RESAMPLES) -> list[Variant]:
    """The variants of an ablation that were trained on every fold: of each cell the baseline first, then by UAR.

    Each is compared with the baseline on the seeds that both have; p values are corrected for the number of variants of
    one cell on one split.
    """
    groups: dict[tuple[str, str], dict[str, list[SweepTrial]]] = defaultdict(lambda: defaultdict(list))
    for trial in record.ablation_trials():
        groups[trial.key.cell, trial.split.name][trial.asked.variant].append(trial)
    return [
        variant
        for (cell, split), trials in groups.items()
        for variant in _compared(_whole(cell, split, trials), n_resamples)
    ]


def list_failures(record: SweepState) -> list[str]:
    """The variants of which a training failed, as 'sercnn-2d votes: 1 of 3 trainings failed'."""
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    for trial in record.ablation_trials():
        outcomes[f"{trial.key.cell} {trial.asked.variant}"][trial.outcome] += 1
    return [
        f"{name}: {counts['failed']} of {counts.total()} trainings failed"
        for name, counts in outcomes.items()
        if counts["failed"]
    ]


def _whole(cell: str, split: str, trials: dict[str, list[SweepTrial]]) -> dict[str, Variant]:
    """Those with a seed of which every fold that was asked for is there."""
    folds = {_fold(trial) for listed in trials.values() for trial in listed}
    made = {}
    for name, listed in trials.items():
        completed = [trial for trial in listed if trial.outcome == "completed"]
        whole = keep_complete_seeds(completed, seed=_seed, fold=_fold, folds=folds)
        read = _predictions(whole)
        if read is not None:
            made[name] = Variant(cell, split, name, tuple(whole), read)
    return made


def _compared(variants: dict[str, Variant], n_resamples: int) -> list[Variant]:
    baseline = variants.pop(BASELINE, None)
    ranked = sorted(variants.values(), key=lambda variant: (-variant.uar, variant.name))
    if baseline is None:
        return ranked
    compared = {variant.name: _against(variant, baseline, n_resamples) for variant in ranked}
    known = {name: comparison for name, comparison in compared.items() if comparison is not None}
    found = dict(zip(known, correct_p_values(list(known.values())), strict=True))
    return [baseline, *(replace(variant, against=found.get(variant.name)) for variant in ranked)]


def _against(variant: Variant, baseline: Variant, n_resamples: int) -> Comparison | None:
    """None where they share no seed, or there is a single speaker."""
    seeds = np.intersect1d(variant.predictions.repeats, baseline.predictions.repeats)
    pair = [one.predictions.select(np.isin(one.predictions.repeats, seeds)) for one in (variant, baseline)]
    if not len(seeds):
        return None
    first, second = (predictions.counts() for predictions in pair)
    if len(first.speakers) < 2 or not have_same_clips(first, second):
        return None
    return compare(first, second, _UAR, n_resamples=n_resamples, n_exchanges=_N_EXCHANGES)


def _predictions(trials: Sequence[SweepTrial]) -> Predictions | None:
    """Of the validation clips; None where there are no trials, or a file is gone."""
    try:
        parts = [
            read_predictions(Path(trial.ended.bundle) / PREDICTIONS_FILE, part="validation", repeat=_seed(trial))
            for trial in trials
            if trial.ended
        ]
    except PredictionsError:
        return None
    return concatenate_predictions(parts) if parts else None


def _fold(trial: SweepTrial) -> int:
    return trial.split.fold


def _seed(trial: SweepTrial) -> int:
    return trial.seed


def describe_changes(record: SweepState, name: str) -> str:
    """What a variant changes, as 'augment.mixup_alpha=0.0'."""
    changes = record.plan.variants.get(name, {})
    return ", ".join(f"{setting}={value}" for setting, value in changes.items()) or "nothing"


def ablation_table(record: SweepState, variants: Sequence[Variant]) -> Table:
    """The variants for a terminal."""
    table = Table(
        box=box.SIMPLE_HEAD,
        caption="Ablation: UAR on the validation clips of all folds, mean over seeds; difference from the baseline, "
        "paired by speaker, with its 95 % interval over speakers; p after Holm's correction. No test clip was heard.",
    )
    for title in ("cell", "split", "variant", "changes"):
        table.add_column(title)
    for title in ("UAR %", "difference, points", "p", "seeds", "parameters", "s a training"):
        table.add_column(title, justify="right")
    for variant in variants:
        table.add_row(
            variant.cell,
            variant.split,
            variant.name,
            describe_changes(record, variant.name),
            f"{100 * variant.uar:.1f}",
            *_told(variant.against),
            str(variant.n_seeds),
            f"{variant.n_parameters:,}",
            f"{variant.seconds:.0f}",
        )
    return table


def _told(against: Comparison | None) -> tuple[str, str]:
    if against is None:
        return "", ""
    ends = against.difference
    return f"{100 * ends.value:+.1f} [{100 * ends.low:+.1f}, {100 * ends.high:+.1f}]", f"{against.p_value:.2g}"
