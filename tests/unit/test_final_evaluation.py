"""Final evaluation: its plan, the clips that selection leaves for the test, and the table of its result."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ser.corpora.base import Clip
from ser.corpora.cremad import EMOTION_OF_CODE, parse
from ser.errors import UserError
from ser.report.final_table import final_rows, final_table
from ser.settings.ranges import SettingError, Value
from ser.splits.split import Split, partition
from ser.sweep.final_evaluation import plan_trainings, select_trainings
from ser.sweep.journal import FINAL, Asked, Ended, Started
from ser.sweep.plan import Plan
from ser.sweep.plan_files import parse_folds, parse_plan
from ser.sweep.state import SweepState

PRESENT = "speaker-5fold-present"
SPEAKERS = [str(speaker) for speaker in range(1001, 1011)]


def clip(name: str) -> Clip:
    found = parse(name, Path(name))
    assert found is not None
    return found


CLIPS = [clip(f"{s}_{t}_{e}_XX") for s, t, e in product(SPEAKERS, ("DFA", "ITH", "IEO", "TAI"), EMOTION_OF_CODE)]


def plan(**values: Any) -> Plan:
    return Plan(**{"cells": ("lenet5-1d",), "final_seeds": 2, **values})


def ways(plan: Plan) -> list[tuple[str, int, int, int]]:
    return [(f.split.name, f.split.fold, f.split.seed, f.seed) for f in plan_trainings(plan)]


def test_the_first_seed_of_every_split_and_fold_comes_before_the_second() -> None:
    found = ways(plan(final_splits=("assignment", PRESENT), final_folds=(0, 2)))
    assert found == [
        ("assignment", 0, 0, 0),
        (PRESENT, 0, 0, 0),
        (PRESENT, 2, 0, 0),
        ("assignment", 0, 1, 1),
        (PRESENT, 0, 0, 1),
        (PRESENT, 2, 0, 1),
    ]


def test_without_a_name_it_is_the_sweeps_split_with_all_of_its_folds() -> None:
    assert ways(plan(split=PRESENT, final_seeds=1)) == [(PRESENT, fold, 0, 0) for fold in range(5)]
    assert ways(plan()) == [("assignment", 0, 0, 0), ("assignment", 0, 1, 1)]


def test_every_way_names_the_split_that_was_selected_on() -> None:
    of = plan(split=PRESENT, settings={"split.fold": 3, "split.seed": 7}, final_splits=("sentence-disjoint",))
    assert {final.split.selection for final in plan_trainings(of)} == {f"{PRESENT}/3/7"}
    assert plan_trainings(of)[0].values() == {
        "split.name": "sentence-disjoint", "split.fold": 0, "split.seed": 0, "split.selection": f"{PRESENT}/3/7",
        "training.seed": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "error", "rule"),
    [
        ({"final_seeds": -1}, UserError, r"final_seeds must lie in \{0..100\}, got -1"),
        ({"final_folds": (5,)}, UserError, "final_folds must be 'all' or some of 0 to 4, got"),
        ({"final_folds": ()}, UserError, "final_folds must be 'all' or some of 0 to 4, got"),
        ({"final_folds": "some"}, UserError, "final_folds must be 'all' or some of 0 to 4, got 'some'"),
        ({"final_folds": (2,)}, UserError, r"final_folds \(--folds\) must be below 1, the folds of assignment; got 2"),
        ({"final_splits": ("speaker-5folds",)}, SettingError, "unknown split 'speaker-5folds': did you mean"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(values: dict, error: type[Exception], rule: str) -> None:
    with pytest.raises(error, match=rule):
        plan_trainings(plan(**values))


def test_a_plan_with_finals_survives_the_journal_and_an_old_one_has_none() -> None:
    of = plan(final_splits=("assignment", PRESENT), final_folds=(0, 2))
    assert parse_plan(of.as_dict()) == of
    old = {name: value for name, value in of.as_dict().items() if not name.startswith("final_")}
    assert plan_trainings(parse_plan(old)) == []


@pytest.mark.parametrize(("text", "folds"), [("all", "all"), ("0", (0,)), ("0,2,0", (0, 2))])
def test_folds_are_read(text: str, folds: object) -> None:
    assert parse_folds(text) == folds


@pytest.mark.parametrize("text", ["", "0,", "a", "-1", "all,0"])
def test_what_names_no_folds_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="--folds must be 'all' or numbers joined by commas"):
        parse_folds(text)


def test_a_fold_that_selection_saw_is_left_out_with_its_reason() -> None:
    found = select_trainings(plan_trainings(plan(split=PRESENT, final_seeds=1)), CLIPS)
    assert [training.split.fold for training in found.kept] == [0, 2, 3, 4]
    assert found.omitted == (
        f"{PRESENT} fold 1 is omitted: selection on {PRESENT}/0/0 has seen 48 of its 48 test clips",
    )


def test_a_split_of_which_selection_saw_little_stays() -> None:
    finals = plan_trainings(plan(final_splits=("assignment", PRESENT)))
    assert list(select_trainings(finals, CLIPS).kept) == finals
    seen = {CLIPS[at].name for at in partition(CLIPS, Split()).validation}
    tested = [{CLIPS[at].name for at in partition(CLIPS, final.split).test} for final in finals]
    assert all(names.isdisjoint(seen) for names in tested)


def evaluated(*trainings: tuple[str, str, int, int, str, float]) -> SweepState:
    record = SweepState()
    record.apply(Started("s", {}, {}))
    for number, (cell, split, fold, seed, outcome, uar) in enumerate(trainings):
        values: dict[str, Value] = {"split.name": split, "split.fold": fold, "training.seed": seed}
        record.apply(Asked(cell, number, values, {}, FINAL))
        test = {"uar": uar, "accuracy": uar + 0.1, "macro_f1": uar - 0.1} if outcome == "completed" else {}
        record.apply(Ended(cell, number, outcome, test=test))
    return record


def test_the_table_has_means_over_folds_and_seeds() -> None:
    record = evaluated(
        ("a", "x", 0, 0, "completed", 0.4),
        ("a", "x", 1, 0, "completed", 0.6),
        ("a", "x", 0, 1, "failed", 0.0),
        ("b", "x", 0, 0, "completed", 0.7),
        ("b", "y", 0, 0, "completed", 0.2),
        ("a", "y", 0, 0, "failed", 0.0),
    )
    rows = final_rows(record)
    assert [(row.split, row.cell) for row in rows] == [("x", "b"), ("x", "a"), ("y", "b")]
    both = rows[1]
    assert (both.n_folds, both.n_seeds, both.n_completed, both.n_trials) == (2, 1, 2, 3)
    assert (both.uar_mean, both.accuracy_mean, both.macro_f1_mean) == pytest.approx((0.5, 0.6, 0.4))
    assert both.uar_deviation == pytest.approx(0.02**0.5)
    console = Console(width=120, no_color=True)
    with console.capture() as capture:
        console.print(final_table(rows))
    assert "50.0 ± 14.1" in capture.get()
    assert capture.get().count("±") == 2  # of one training there is none; the other is in the caption
    assert "2/3" in capture.get()


def test_the_search_sees_no_final_trial() -> None:
    record = evaluated(("a", "x", 0, 0, "completed", 0.4))
    assert record.search_trials("a") == []
    assert record.best_of_cell("a") is None
    assert [trial.stage for trial in record.final_trials()] == [FINAL]
