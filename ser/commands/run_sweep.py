"""What `tune/run_sweep.py` does: from its arguments to the final table, with every refusal in one sentence."""

import os
import platform
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version

from rich.console import Console
from rich.text import Text

from ser.commands.conclusion import FINISHED, STOPPED, conclude, resume_command
from ser.commands.corpus_acquisition import provide
from ser.commands.dry_run import show_plan
from ser.commands.job_submission import is_submitted, refuse_passing, submit
from ser.commands.sweep_request import REFUSED, Request, new_plan, refuse_changes, seconds, sweep_name, with_finals
from ser.corpora.base import CorpusError
from ser.distributed.baselines import compared_splits, forget_baselines, measure_baselines
from ser.distributed.cluster import connected, job_server, refuse_remote_drivers, refuse_too_large
from ser.distributed.preparation import choose_finals, corpus_facts, find_fitting, prepare, refuse_other_clips
from ser.distributed.runner import run
from ser.distributed.step_timing import with_fastest_ways
from ser.distributed.trial_data import share
from ser.distributed.tune_adapter import trial_resources
from ser.errors import UserError
from ser.paths import default_corpus_dir
from ser.settings.ranges import SettingError
from ser.sweep.driver import DRIVER, git_commit, terminable, this_driver
from ser.sweep.final_evaluation import planned
from ser.sweep.folder import SweepFolder
from ser.sweep.journal import Closed, Journal, JournalError, Started
from ser.sweep.plan_files import plan_from
from ser.sweep.state import SweepRecord, asked_experiment, replay
from ser.tracking.publication import Publication, TrackerError

_VERSIONS = ("torch", "numpy", "scikit-learn", "ray", "optuna", "mlflow")
_REFUSALS = (
    UserError, CorpusError, UserError, UserError, JournalError, UserError, TrackerError, SettingError,
)  # fmt: skip


def run_session(request: Request) -> int:
    """Carry out a request.

    Returns:
        Exit code: 0 finished, 1 a cell without a result, 2 refused, 3 not all was sent to MLflow,
        4 the best models could not be registered, 5 lost the cluster that it runs on, 130 stopped.
    """
    console = _console()
    try:
        if job_server(request.ray_address) and not is_submitted():
            return submit(request, console)
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
    plan = with_finals(plan_from(before.plan) if request.resume else new_plan(request), request)
    budget_s = None if request.time_budget is None else seconds(request.time_budget)
    corpus_dir = request.corpus_dir or before.facts.get("corpus_dir", default_corpus_dir(plan.corpus))
    uri = request.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or before.facts.get("tracking_uri")
    if is_submitted():
        refuse_passing(home=request.home, corpus_dir=corpus_dir, tracking_uri=uri or "none")
    if request.dry_run:
        provide(plan.corpus, corpus_dir, download_from=None, console=console)
        show_plan(plan, corpus_dir, console)
        return FINISHED
    name = request.resume or _new_name(request)
    folder = _folder(request, name)
    finished = before.closed is not None and before.closed.outcome == "finished" and plan == plan_from(before.plan)
    address = None if is_submitted() else request.ray_address  # a job finds its cluster by RAY_ADDRESS
    refuse_remote_drivers(address)
    provide(plan.corpus, corpus_dir, download_from=request.download_from, console=console)
    finals = planned(plan)
    clips = () if finished else find_fitting(plan, finals, corpus_dir, console)
    sweep_id = before.facts.get("sweep_id", uuid.uuid4().hex)
    with closing(Journal(folder.journal)) as journal, terminable():
        publication = Publication(folder.journal, sweep=name, sweep_id=sweep_id, experiment=plan.corpus, uri=uri)
        with publication:
            if not finished:
                facts = {
                    "sweep_id": sweep_id,
                    "ser.command": request.command,
                    "ser.git_commit": git_commit(),
                    "versions": {"python": platform.python_version(), **{name: version(name) for name in _VERSIONS}},
                    DRIVER: str(this_driver()),
                    "tracking_uri": publication.uri,
                }
                with connected(address):
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
                    data = share(prepared, plan.trained().values(), console)
                    if not plan.is_ablation:  # which compares variants with each other, and tests nothing
                        measure_baselines(folder.path, prepared, compared_splits(plan.experiments(), finals), console)
                    with _let_go_of(journal):
                        journal.append(Started(name, plan.as_dict(), {**corpus_facts(prepared), **facts}))
                        run(folder, plan, journal, data, console, finals=finals, time_budget_s=budget_s)
            return conclude(
                replay(folder.journal),
                publication,
                resume=resume_command(name, request.home, request.ray_address),
                home=request.home,
                scope=request.register,
                console=console,
            )


@contextmanager
def _let_go_of(journal: Journal) -> Iterator[None]:
    """However the block ends, the journal says so: a stop may come when the sweep has begun and nothing runs yet."""
    try:
        yield
    finally:
        if replay(journal.path).closed is None:
            journal.append(Closed("killed"))


def _new_name(request: Request) -> str:
    name = sweep_name(request)
    journal = _folder(request, name).journal
    if journal.exists() and replay(journal).name:
        raise JournalError(f"there is a sweep '{name}': go on with --resume {name}, or choose another --name")
    return name


def _resumed(request: Request) -> SweepRecord:
    refuse_changes(request)
    assert request.resume is not None
    record = replay(_folder(request, request.resume).journal)
    if not record.name:
        raise JournalError(f"the sweep '{request.resume}' never began: start it with --name {request.resume}")
    for trial in record.trials.values():
        asked_experiment(trial)  # Refused here: Tune wraps what its hooks raise.
    return record


def _folder(request: Request, name: str) -> SweepFolder:
    return SweepFolder(request.home / "sweeps" / name)
