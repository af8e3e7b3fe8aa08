"""What `tune/run_sweep.py` does: from its arguments to the final table, with every refusal in one sentence."""

import os
import platform
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from ser.corpora.base import CORPORA, CorpusError
from ser.corpora.locations import Location
from ser.distributed.baselines import compared_splits, forget_baselines, measure_baselines
from ser.distributed.closing import DEFAULT_HOME, FINISHED, STOPPED, conclude
from ser.distributed.cluster import ClusterError, connected, refuse_remote_drivers, refuse_too_large
from ser.distributed.driver import DRIVER, this_driver
from ser.distributed.dry_run import show_plan
from ser.distributed.finals import planned
from ser.distributed.plan import Plan, PlanError, cell_names, fold_numbers, plan_from, read_plan, with_settings
from ser.distributed.preparation import choose_finals, corpus_facts, find_fitting, prepare, refuse_other_clips, share
from ser.distributed.provision import provide
from ser.distributed.quarantine import MAX_BAD_PERCENT
from ser.distributed.step_times import with_fastest_ways
from ser.distributed.sweep import SweepFolder, run
from ser.distributed.tuning import trial_resources
from ser.features.store import StoreError
from ser.journal import Closed, Journal, JournalError, Started
from ser.registry import UnknownNameError, unknown_name
from ser.replay import SweepRecord, replay
from ser.space import Value
from ser.splits.base import SplitError, split_names
from ser.tracking.publication import Publication, TrackerError

REFUSED = 2
_VERSIONS = ("torch", "numpy", "scikit-learn", "ray", "optuna", "mlflow")
_REFUSALS = (
    PlanError, CorpusError, SplitError, StoreError, JournalError, ClusterError, TrackerError, UnknownNameError,
)  # fmt: skip


@dataclass(frozen=True)
class Request:
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


def run_session(request: Request) -> int:
    """Carry out a request.

    Returns:
        Exit code: 0 finished, 1 a cell without a result, 2 refused, 3 not all was sent to MLflow,
        4 the best models could not be registered, 130 stopped.
    """
    console = _console()
    try:
        return _session(request, console)
    except _REFUSALS as error:
        console.print(Text.assemble(("error: ", "bold red"), str(error)))
        return REFUSED
    except KeyboardInterrupt:
        console.print(
            "Stopped at once. Nothing that was reported is lost: a sweep that had begun goes on with --resume."
        )
        return STOPPED


def _console() -> Console:
    """Of the terminal's width; a log file gets lines as long as they are, and tables of a fixed width."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, soft_wrap=True, width=120)


def _session(request: Request, console: Console) -> int:
    before = _resumed(request) if request.resume else SweepRecord()
    plan = _with_finals(plan_from(before.plan) if request.resume else _new_plan(request), request)
    budget_s = None if request.time_budget is None else seconds(request.time_budget)
    corpus_dir = request.corpus_dir or before.facts.get("corpus_dir", f"data/{plan.corpus}")
    if request.dry_run:
        provide(plan.corpus, corpus_dir, download_from=None, console=console)
        show_plan(plan, corpus_dir, console)
        return FINISHED
    name = request.resume or _new_name(request)
    folder = _folder(request, name)
    finished = before.closed is not None and before.closed.outcome == "finished" and plan == plan_from(before.plan)
    refuse_remote_drivers(request.ray_address)
    provide(plan.corpus, corpus_dir, download_from=request.download_from, console=console)
    finals = planned(plan)
    clips = () if finished else find_fitting(plan.experiments(), finals, corpus_dir, console)
    sweep_id = before.facts.get("sweep_id", uuid.uuid4().hex)
    uri = request.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or before.facts.get("tracking_uri")
    with closing(Journal(folder.journal)) as journal, _terminable():
        publication = Publication(folder.journal, sweep=name, sweep_id=sweep_id, experiment=plan.corpus, uri=uri)
        with publication:
            if not finished:
                facts = {
                    "sweep_id": sweep_id,
                    "ser.command": request.command,
                    "ser.git_commit": _commit(),
                    "versions": {"python": platform.python_version(), **{name: version(name) for name in _VERSIONS}},
                    DRIVER: str(this_driver()),
                    "tracking_uri": publication.uri,
                }
                with connected(request.ray_address):
                    refuse_too_large(trial_resources(plan))
                    prepared = prepare(
                        plan.experiments(),
                        clips,
                        corpus_dir=corpus_dir,
                        store_dir=request.home / "features",
                        # A sweep that goes on has decided; other clips than its own are refused below.
                        max_bad=100.0 if before.name else request.max_bad,
                        console=console,
                    )
                    refuse_other_clips(before, prepared)
                    finals = choose_finals(prepared, finals, console)
                    if not before.name:
                        forget_baselines(folder.path)
                        plan = with_fastest_ways(plan, trial_resources(plan), home=request.home, console=console)
                    data = share(prepared, plan.experiments())
                    measure_baselines(folder.path, prepared, compared_splits(plan.experiments(), finals), console)
                    with _let_go_of(journal):
                        journal.append(Started(name, plan.as_dict(), {**corpus_facts(prepared), **facts}))
                        run(folder, plan, journal, data, console, finals=finals, time_budget_s=budget_s)
            return conclude(
                replay(folder.journal), publication, home=request.home, scope=request.register, console=console
            )


@contextmanager
def _let_go_of(journal: Journal) -> Iterator[None]:
    """However the block ends, the journal says so: a stop may come when the sweep has begun and nothing runs yet."""
    try:
        yield
    finally:
        if replay(journal.path).closed is None:
            journal.append(Closed("killed"))


def seconds(text: str) -> float:
    """Seconds of '90s', '30m' or '2h'.

    Raises:
        PlanError: not of this form.
    """
    factors = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = text[:-1], text[-1:]
    if unit not in factors or not number.replace(".", "", 1).isdecimal() or not float(number):
        raise PlanError(f"--time-budget must be a number with s, m or h, as in 30m; got '{text}'")
    return float(number) * factors[unit]


def _new_plan(request: Request) -> Plan:
    plan = read_plan(request.plan or "quick", folder=request.plans)
    given = {
        "corpus": request.corpus,
        "split": request.split,
        "trials_per_cell": request.trials_per_cell,
        "max_epochs": request.max_epochs,
        "search": request.search,
        "seed": request.seed,
        "cells": None if request.cells is None else cell_names(request.cells),
    }
    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    plan = with_settings(replace(plan, **changed), _settings(request.settings))
    plan.spaces()
    CORPORA[plan.corpus]
    if plan.split not in split_names():
        raise unknown_name("split", plan.split, split_names())
    return plan


def _with_finals(plan: Plan, request: Request) -> Plan:
    """The plan with the final evaluation that was asked for: it may be added to a sweep that has begun or ended."""
    given: dict[str, Any] = {
        "final_seeds": request.final_seeds,
        "final_folds": None if request.folds is None else fold_numbers(request.folds),
        "final_splits": None if request.final_splits is None else tuple(request.final_splits.split(",")),
    }
    plan = replace(plan, **{name: value for name, value in given.items() if value is not None})
    if not plan.final_seeds and (request.folds or request.final_splits):
        raise PlanError(
            "--folds and --final-splits are of the final evaluation: say how many seeds, as in --final-seeds 3"
        )
    planned(plan)
    return plan


def _new_name(request: Request) -> str:
    name = request.name or f"{Path(request.plan or 'quick').stem}-{datetime.now():%Y%m%d-%H%M%S}"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise PlanError(f"a sweep's name is made of letters, digits, '.', '_' and '-', got '{name}'")
    journal = _folder(request, name).journal
    if journal.exists() and replay(journal).name:
        raise JournalError(f"there is a sweep '{name}': go on with --resume {name}, or choose another --name")
    return name


def _resumed(request: Request) -> SweepRecord:
    fixed = ("plan", "corpus", "split", "cells", "trials_per_cell", "max_epochs", "search", "seed", "name", "settings")
    given = [f"--{name.replace('_', '-')}" for name in fixed if getattr(request, name) not in (None, [], ())]
    if given:
        raise PlanError(f"--resume takes the plan from the sweep's journal: leave away {', '.join(given)}")
    assert request.resume is not None
    record = replay(_folder(request, request.resume).journal)
    if not record.name:
        raise JournalError(f"the sweep '{request.resume}' never began: start it with --name {request.resume}")
    return record


def _folder(request: Request, name: str) -> SweepFolder:
    return SweepFolder(request.home / "sweeps" / name)


def _settings(pairs: Sequence[str]) -> dict[str, Value]:
    for pair in pairs:
        if "=" not in pair:
            raise PlanError(f"a setting is given as name=value, as in training.lr=0.001; got '{pair}'")
    split_pairs = (pair.split("=", 1) for pair in pairs)
    return {name: value for name, value in split_pairs}  # noqa: C416 - lists of two are no pairs to a type checker


def _commit() -> str:
    here = Path(__file__).parent
    try:
        git = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return git.stdout.strip()


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM stops a sweep as orderly as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
