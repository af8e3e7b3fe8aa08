"""Ablation: its plan, its trainings, how it is resumed, and the table of its result."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ser.errors import UserError
from ser.evaluation.predictions_file import COLUMNS
from ser.report.ablation import compare_variants, list_failures
from ser.settings.ranges import Value
from ser.sweep.final_evaluation import plan_trainings
from ser.sweep.journal import ABLATION, Asked, Ended, Started
from ser.sweep.plan import Plan
from ser.sweep.plan_files import parse_plan
from ser.sweep.state import SweepState, replay
from tests.support.simulated_sweep import DONE, drive, run_to_end, start_controller

VARIANTS = {"mixup": {"augment.mixup_alpha": 0.2}, "calm": {"training.lr": 1e-4}}
SPLIT = "speaker-5fold-present"


def plan(**changes: Any) -> Plan:
    values = {"corpus": "synthetic", "cells": ("alexnet-2d",), "split": SPLIT, "max_epochs": 2, "final_folds": (0, 1)}
    return Plan(**{**values, "final_seeds": 1, "variants": VARIANTS, **changes})


def test_the_baseline_and_every_variant_are_planned_for_each_fold_and_seed() -> None:
    found = plan_trainings(plan(final_seeds=2))
    ways = [(final.seed, final.split.fold, final.variant) for final in found]
    assert ways == [(s, f, v) for s in (0, 1) for f in (0, 1) for v in ("baseline", *VARIANTS)]
    assert found[1].values() == {
        "augment.mixup_alpha": 0.2,
        "split.name": SPLIT,
        "split.fold": 0,
        "split.seed": 0,
        "split.selection": "none",
        "training.seed": 0,
    }


def test_it_trains_what_is_planned_and_searches_nothing(in_memory: Path) -> None:
    record = replay(run_to_end(in_memory / "journal.jsonl", plan()))
    assert record.closed is not None
    assert record.closed.outcome == "finished"
    assert {trial.stage for trial in record.trials.values()} == {ABLATION}
    asked = [(t.asked.variant, t.split.fold, t.asked.values["augment.mixup_alpha"]) for t in
             record.ablation_trials()]  # fmt: skip
    unmixed = plan().experiments["alexnet-2d"].augment.mixup_alpha
    one_fold = [("baseline", unmixed), ("mixup", 0.2), ("calm", unmixed)]
    assert asked == [(variant, fold, alpha) for fold in (0, 1) for variant, alpha in one_fold]
    assert [trial.key.number for trial in record.ablation_trials()] == list(range(6))


def test_let_go_of_anywhere_it_goes_on_where_it_was(in_memory: Path) -> None:
    expected = {str(k): t.asked.values for k, t in replay(run_to_end(in_memory / "whole.jsonl", plan())).trials.items()}
    for n_steps in range(1, 20, 3):
        path = in_memory / f"{n_steps}.jsonl"
        journal, controller = start_controller(path, plan())
        steps = drive(controller, plan())
        assert all(next(steps, DONE) is not DONE for _ in range(n_steps))
        journal.close()
        record = replay(run_to_end(path, plan()))
        assert {str(key): trial.asked.values for key, trial in record.trials.items()} == expected
        assert {trial.outcome for trial in record.trials.values()} == {"completed"}


def test_more_folds_train_only_what_is_not_there(in_memory: Path) -> None:
    path = run_to_end(in_memory / "journal.jsonl", plan())
    record = replay(run_to_end(path, plan(final_folds="all")))
    assert len(record.ablation_trials()) == 3 * 5


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ranges": {"training.lr": [1e-4, 1e-3]}}, "searches nothing: omit its ranges"),
        ({"variants": {"x": {"training.max_epochs": 9}}}, "training.max_epochs is the same for all variants"),
        ({"final_seeds": 0}, "an ablation (a plan with variants) needs seeds"),
        ({"variants": {"same": {"augment.mixup_alpha": 0.0}}}, "variant 'same' changes nothing of alexnet-2d"),
        ({"variants": {"x": {"augment.mixup_alfa": 0.2}}}, "did you mean 'augment.mixup_alpha'"),
        ({"variants": {"x": {"split.fold": 1}}}, "split.fold is the same for all variants"),
        ({"variants": {"x": {"training.seed": 1}}}, "training.seed is the same for all variants"),
        ({"variants": {"baseline": {"training.lr": 1e-4}}}, "and not be 'baseline'"),
        ({"variants": {"No Mixup": {"training.lr": 1e-4}}}, "lower-case letters, digits"),
    ],
)
def test_what_cannot_be_an_ablation_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        _ = plan(**changes).variant_experiments


def test_what_a_variant_changes_is_fixed_for_all() -> None:
    # Or the way that is measured to be fastest would become the baseline's, and the variant no variant.
    assert "training.precision" in plan(variants={"half": {"training.precision": "bfloat16"}}).fixed("alexnet-2d")


def test_two_cells_on_two_splits_are_four_comparisons(in_memory: Path) -> None:
    of = plan(cells=("alexnet-2d", "lenet5-1d"), final_splits=("assignment", SPLIT))
    record = replay(run_to_end(in_memory / "journal.jsonl", of))
    ways = Counter((t.key.cell, t.split.name, t.asked.variant) for t in record.ablation_trials())
    assert len(ways) == 2 * 2 * 3
    assert {n for (_, split, _), n in ways.items() if split == SPLIT} == {2}


def test_variants_are_tables() -> None:
    with pytest.raises(UserError, match=r"variants.x must be a table of settings, got 3"):
        parse_plan({"cells": ["alexnet-2d"], "variants": {"x": 3}})


def test_a_plan_comes_back_from_the_journal() -> None:
    assert parse_plan(plan().as_dict()) == plan()


def record_of(folder: Path, right: dict[str, float], *, n_speakers: int = 30) -> SweepState:
    """An ablation of two folds whose variants are right about the given share of their clips."""
    record = SweepState()
    variants = {name: {"training.lr": 1e-4} for name in right if name != "baseline"}
    record.apply(Started("s", {"variants": variants, "cells": ["alexnet-2d"]}, {}))
    rng = np.random.default_rng(0)
    for number, (fold, variant) in enumerate((fold, variant) for fold in (0, 1) for variant in right):
        bundle = folder / str(number)
        bundle.mkdir()
        rows = [",".join((*COLUMNS, "anger", "fear"))]
        for at in range(fold, 20 * n_speakers, 2):
            truth, other = ("anger", "fear") if at // 2 % 2 else ("fear", "anger")
            taken = truth if rng.random() < right[variant] else other
            cells = {"clip": f"c{at}", "part": "validation", "speaker": f"{at % n_speakers}", "truth": truth}
            rows.append(",".join([*({**cells, "prediction": taken}[name] for name in COLUMNS), "0.5", "0.5"]))
        (bundle / "predictions.csv").write_text("\n".join(rows) + "\n")
        values: dict[str, Value] = {"split.name": SPLIT, "split.fold": fold, "training.seed": 0}
        record.apply(Asked("alexnet-2d", number, values, {}, ABLATION, variant))
        test = {"n_parameters": 9, "train_seconds": 2.0}
        record.apply(Ended("alexnet-2d", number, "completed", bundle=str(bundle), test=test))
    return record


def test_variants_are_compared_with_the_baseline_speaker_by_speaker(tmp_path: Path) -> None:
    found = compare_variants(record_of(tmp_path, {"baseline": 0.6, "worse": 0.45, "better": 0.8}), n_resamples=500)
    assert [variant.name for variant in found] == ["baseline", "better", "worse"]
    baseline, better, worse = found
    assert baseline.against is None
    assert better.against is not None
    assert worse.against is not None
    assert better.against.difference.value == pytest.approx(better.uar - baseline.uar)
    assert better.against.difference.low > 0
    assert worse.against.difference.high < 0
    assert better.against.p_value < 0.01
    assert len(better.predictions) == 600
    assert better.predictions.counts().n_clips == (600,)


def test_equal_variants_do_not_differ(tmp_path: Path) -> None:
    _, same = compare_variants(record_of(tmp_path, {"baseline": 0.6, "same": 0.6}), n_resamples=500)
    assert same.against is not None
    assert same.against.difference.low < 0 < same.against.difference.high
    assert same.against.p_value > 0.05


def test_a_failed_training_takes_its_variant_alone_and_is_named(tmp_path: Path) -> None:
    record = record_of(tmp_path, {"baseline": 0.6, "worse": 0.45, "failing": 0.6})
    last = record.trials[max(record.trials)]
    assert last.ended is not None
    last.ended = replace(last.ended, outcome="failed")
    assert [variant.name for variant in compare_variants(record, n_resamples=50)] == ["baseline", "worse"]
    assert list_failures(record) == ["alexnet-2d failing: 1 of 2 trainings failed"]


def test_a_fold_that_failed_for_all_is_not_all_folds(tmp_path: Path) -> None:
    record = record_of(tmp_path, {"baseline": 0.6})
    last = record.trials[max(record.trials)]
    assert last.ended is not None
    last.ended = replace(last.ended, outcome="failed")
    assert compare_variants(record) == []


def test_a_variant_that_lacks_a_fold_waits(tmp_path: Path) -> None:
    record = record_of(tmp_path, {"baseline": 0.6, "late": 0.6})
    last = record.trials[max(record.trials)]
    last.ended = None
    assert [variant.name for variant in compare_variants(record)] == ["baseline"]
