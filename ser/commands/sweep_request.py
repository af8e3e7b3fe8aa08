"""The command line of `run_sweep.py`, and the plan and the name that it requests."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ser.commands.options import MAX_BAD_PERCENT
from ser.corpora.base import CORPORA
from ser.corpora.locations import Location
from ser.errors import UserError
from ser.paths import DEFAULT_HOME
from ser.settings.ranges import Value
from ser.settings.registry import describe_unknown_name
from ser.splits.split import list_splits
from ser.sweep.final_evaluation import plan_trainings
from ser.sweep.plan import Plan
from ser.sweep.plan_files import parse_cells, parse_folds, read_plan, with_settings


@dataclass(frozen=True)
class SweepRequest:
    """The command line of `run_sweep.py`; None is 'not given'."""

    command: str
    plans: Path
    plan: str | None = None
    corpus: str | None = None
    corpus_dir: Location | None = None
    download_from: str | None = None
    split: str | None = None
    cells: str | None = None
    trials_per_cell: int | None = None
    max_epochs: int | None = None
    time_budget: str | None = None
    search: str | None = None
    seed: int | None = None
    final_seeds: int | None = None
    folds: str | None = None
    final_splits: str | None = None
    name: str | None = None
    resume: str | None = None
    register: str = "cells"
    tracking_uri: str | None = None
    ray_address: str | None = None
    max_bad: float = MAX_BAD_PERCENT
    home: Path = DEFAULT_HOME
    dry_run: bool = False
    settings: Sequence[str] = ()


def new_plan(request: SweepRequest) -> Plan:
    """Read the plan of a new sweep and apply the changes of the command line.

    Raises:
        UserError: no such plan, or a plan that cannot be carried out.
        SettingError: an unknown name in the plan or on the command line.
    """
    plan = read_plan(request.plan or "quick", folder=request.plans)
    given = {
        "corpus": request.corpus,
        "split": request.split,
        "trials_per_cell": request.trials_per_cell,
        "max_epochs": request.max_epochs,
        "search": request.search,
        "seed": request.seed,
        "cells": None if request.cells is None else parse_cells(request.cells),
    }
    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if plan.is_ablation and (request.trials_per_cell or request.search):
        raise UserError(
            f"plan {request.plan} has variants, so it is an ablation and has no search",
            "omit --trials-per-cell and --search, and set the trainings of each variant with --final-seeds and --folds",
        )
    plan = with_settings(replace(plan, **changed), _parse_settings(request.settings))
    plan.validate()
    CORPORA[plan.corpus]
    if plan.split not in list_splits():
        raise describe_unknown_name("split", plan.split, list_splits())
    return plan


def add_final_evaluation(plan: Plan, request: SweepRequest) -> Plan:
    """Add the requested final evaluation to a plan; the sweep may have begun or ended already.

    Raises:
        UserError: --final-seeds is missing, or the final evaluation cannot be carried out.
        SettingError: an unknown split.
    """
    given: dict[str, Any] = {
        "final_seeds": request.final_seeds,
        "final_folds": None if request.folds is None else parse_folds(request.folds),
        "final_splits": None if request.final_splits is None else tuple(request.final_splits.split(",")),
    }
    plan = replace(plan, **{name: value for name, value in given.items() if value is not None})
    if not plan.final_seeds and (request.folds or request.final_splits):
        raise UserError(
            "--folds and --final-splits belong to the final evaluation, which needs seeds", "add --final-seeds 3"
        )
    plan_trainings(plan)
    return plan


def refuse_changes(request: SweepRequest) -> None:
    """Refuse options that would change the plan of a resumed sweep.

    Raises:
        UserError: one of these options is given.
    """
    fixed = ("plan", "corpus", "split", "cells", "trials_per_cell", "max_epochs", "search", "seed", "name", "settings")
    given = [f"--{name.replace('_', '-')}" for name in fixed if getattr(request, name) not in (None, [], ())]
    if given:
        raise UserError("--resume reads the plan from the sweep's journal", f"omit {', '.join(given)}")


def sweep_name(request: SweepRequest) -> str:
    """The name of a new sweep: as given, else made of plan, date and time.

    Raises:
        UserError: a name that is unsafe for a folder.
    """
    name = request.name or f"{Path(request.plan or 'quick').stem}-{datetime.now():%Y%m%d-%H%M%S}"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise UserError(f"a sweep's name must consist of letters, digits, '.', '_' and '-', got '{name}'")
    return name


def parse_seconds(text: str) -> float:
    """Parse a duration such as '90s', '30m' or '2h' into seconds.

    Raises:
        UserError: the text has another form.
    """
    factors = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = text[:-1], text[-1:]
    if unit not in factors or not number.replace(".", "", 1).isdecimal() or not float(number):
        raise UserError(f"--time-budget must be a number with s, m or h, as in 30m, got '{text}'")
    return float(number) * factors[unit]


def _parse_settings(pairs: Sequence[str]) -> dict[str, Value]:
    for pair in pairs:
        if "=" not in pair:
            raise UserError(f"a setting must have the form name=value, as in training.lr=0.001, got '{pair}'")
    split_pairs = (pair.split("=", 1) for pair in pairs)
    return {name: value for name, value in split_pairs}  # noqa: C416 - lists of two are no pairs to a type checker
