"""Run a sweep: resolve the request, find the clips, train, and conclude with tables and registered models."""

import os
import platform
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version

from rich.console import Console

from ser.commands.conclusion import conclude, resume_command
from ser.commands.corpus_acquisition import acquire_corpus
from ser.commands.dry_run import show_plan
from ser.commands.exit_codes import FINISHED
from ser.commands.job_submission import is_submitted, refuse_temporary_places, submit
from ser.commands.live_display import Display, announce_trainings
from ser.commands.sweep_corpus import choose_trainings, find_sweep_clips, prepare_sweep_corpus
from ser.commands.sweep_request import (
    SweepRequest,
    add_final_evaluation,
    new_plan,
    parse_seconds,
    refuse_changes,
    sweep_name,
)
from ser.corpora.base import Clip
from ser.corpora.locations import Location
from ser.distributed.baseline_tasks import list_compared_splits, measure_baselines, remove_baselines
from ser.distributed.cluster import connect, refuse_remote_drivers, refuse_too_large, resolve_job_server
from ser.distributed.runner import run_trials
from ser.distributed.shared_trial_data import share_trial_data
from ser.distributed.step_timing_tasks import with_fastest_settings
from ser.distributed.tune_adapter import count_parallel_trials, trial_resources
from ser.errors import UserError
from ser.paths import default_corpus_dir
from ser.sweep.controller import Controller
from ser.sweep.driver_process import current_driver, find_git_commit, stop_on_sigterm
from ser.sweep.facts import SweepFacts, describe_corpus, refuse_other_clips, refuse_other_features
from ser.sweep.final_evaluation import PlannedTraining, plan_trainings
from ser.sweep.folder import SweepFolder
from ser.sweep.journal import Closed, Journal, JournalError, Started
from ser.sweep.plan import Plan
from ser.sweep.state import SweepState, replay
from ser.tracking.publication import Publication
from ser.tracking.registry.registration import SCOPES

_VERSIONS = ("torch", "numpy", "scikit-learn", "ray", "optuna", "mlflow")


@dataclass(frozen=True)
class ResolvedSweep:
    """The resolved request of a sweep, decided before anything but its journal is read.

    Attributes:
        folder: folder of the sweep.
        before: state of a resumed sweep; empty for a new one.
        plan: the plan, with the changes of the command line.
        trainings: planned trainings of the final evaluation or of an ablation.
        corpus_dir: folder or URL of the corpus.
        tracking_uri: address of the tracker; None for MLflow's default.
        budget_s: seconds after which the sweep stops; None for no limit.
    """

    folder: SweepFolder
    before: SweepState
    plan: Plan
    trainings: tuple[PlannedTraining, ...]
    corpus_dir: Location
    tracking_uri: str | None
    budget_s: float | None

    @property
    def name(self) -> str:
        """Name of the sweep."""
        return self.folder.path.name

    @property
    def is_finished(self) -> bool:
        """True if nothing is left to train."""
        closed = self.before.closed
        return closed is not None and closed.outcome == "finished" and self.plan == self.before.plan


def run_sweep(request: SweepRequest, console: Console) -> int:
    """Run the sweep here, or submit it to the cluster at an http address and follow it there.

    Returns:
        Exit code, one of `ser.commands.exit_codes`.

    Raises:
        UserError: the request cannot be carried out, or corpus, feature store, journal, cluster or tracker cannot be
            used.
    """
    if resolve_job_server(request.ray_address) and not is_submitted():
        return submit(request, console)
    sweep = resolve_sweep(request)
    if request.dry_run:
        acquire_corpus(sweep.plan.corpus, sweep.corpus_dir, download_from=None, console=console)
        show_plan(sweep.plan, sweep.corpus_dir, console)
        return FINISHED
    if sweep.before.name and not sweep.is_finished:
        refuse_other_features(sweep.name, sweep.before.facts, sweep.plan)
    address = None if is_submitted() else request.ray_address  # a job finds its cluster by RAY_ADDRESS
    refuse_remote_drivers(address)
    acquire_corpus(sweep.plan.corpus, sweep.corpus_dir, download_from=request.download_from, console=console)
    clips = () if sweep.is_finished else find_sweep_clips(sweep.plan, sweep.trainings, sweep.corpus_dir, console)
    sweep_id = sweep.before.facts.sweep_id or uuid.uuid4().hex
    with closing(Journal(sweep.folder.journal)) as journal, stop_on_sigterm():
        publication = Publication(
            sweep.folder.journal,
            sweep=sweep.name,
            sweep_id=sweep_id,
            experiment=sweep.plan.corpus,
            uri=sweep.tracking_uri,
        )
        with publication:
            if not sweep.is_finished:
                origin = _describe_origin(sweep_id, request.command, publication.uri)
                with connect(address):
                    _train(sweep, request, clips, journal, origin, console)
            return conclude(
                replay(sweep.folder.journal),
                publication,
                resume=resume_command(sweep.name, request.home, request.ray_address),
                home=request.home,
                scope=request.register,
                console=console,
            )


def resolve_sweep(request: SweepRequest) -> ResolvedSweep:
    """Resolve the command line and the journal of a resumed sweep.

    Raises:
        UserError: no such plan, or a plan that cannot be carried out.
        JournalError: a new sweep has the name of an existing one, a resumed sweep does not exist, or its journal is
            damaged or of another version of ser.
    """
    if request.register not in SCOPES:
        raise UserError(f"--register must be one of {', '.join(SCOPES)}, got '{request.register}'")
    before = _read_resumed(request) if request.resume else SweepState()
    plan = add_final_evaluation(before.plan if request.resume else new_plan(request), request)
    uri = request.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or before.facts.tracking_uri or None
    corpus_dir = request.corpus_dir or before.facts.corpus_dir or default_corpus_dir(plan.corpus)
    budget_s = None if request.time_budget is None else parse_seconds(request.time_budget)
    if is_submitted():
        refuse_temporary_places(home=request.home, corpus_dir=corpus_dir, tracking_uri=uri or "none")
    name = request.resume or ("dry-run" if request.dry_run else _new_name(request))
    return ResolvedSweep(_folder(request, name), before, plan, tuple(plan_trainings(plan)), corpus_dir, uri, budget_s)


def _train(
    sweep: ResolvedSweep,
    request: SweepRequest,
    clips: Sequence[Clip],
    journal: Journal,
    origin: dict[str, object],
    console: Console,
) -> None:
    """Prepare the corpus and run the trials that the journal lacks; Ray must be running."""
    plan, before = sweep.plan, sweep.before
    needs = trial_resources(plan)
    refuse_too_large(needs)
    prepared, parts = prepare_sweep_corpus(
        plan,
        clips,
        corpus_dir=sweep.corpus_dir,
        home=request.home,
        # A resumed sweep has decided; any other clips are refused below.
        max_bad=100.0 if before.name else request.max_bad,
        console=console,
    )
    if before.name:
        refuse_other_clips(before.name, before.facts, prepared, parts)
    trainings = choose_trainings(prepared, sweep.trainings, console)
    if not before.name:
        remove_baselines(sweep.folder.path)
        plan = with_fastest_settings(plan, needs, home=request.home, console=console)
    data = share_trial_data(prepared, plan.trained_experiments.values(), console)
    if not plan.is_ablation:  # an ablation compares variants with each other, and tests nothing
        measure_baselines(sweep.folder.path, prepared, list_compared_splits(plan, trainings), console)
    facts = SweepFacts(**{**origin, **describe_corpus(prepared, parts)})
    with _close_on_exit(journal):
        journal.append(Started(sweep.name, plan.as_dict(), facts.as_dict()))
        controller = Controller(journal, plan, trainings)
        n_slots = count_parallel_trials(needs)
        announce_trainings(controller, n_slots, console)
        display = _make_display(controller, plan, n_slots, sweep.budget_s, console)
        run_trials(sweep.folder, controller, data, display, time_budget_s=sweep.budget_s)


def _make_display(
    controller: Controller, plan: Plan, n_slots: int, budget_s: float | None, console: Console
) -> Display:
    return Display(
        console,
        controller.state,
        n_searched=plan.n_searched,
        n_trials=lambda: controller.n_trials,
        n_slots=n_slots,
        budget_s=budget_s,
    )


def _describe_origin(sweep_id: str, command: str, tracking_uri: str) -> dict[str, object]:
    """Collect the fields of `SweepFacts` about the process that starts the sweep."""
    return {
        "sweep_id": sweep_id,
        "command": command,
        "git_commit": find_git_commit(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _VERSIONS}},
        "driver": str(current_driver()),
        "tracking_uri": tracking_uri,
    }


@contextmanager
def _close_on_exit(journal: Journal) -> Iterator[None]:
    """Append the closing event when the block ends without one: a stop may come before the first trial runs."""
    try:
        yield
    finally:
        if replay(journal.path).closed is None:
            journal.append(Closed("killed"))


def _new_name(request: SweepRequest) -> str:
    name = sweep_name(request)
    journal = _folder(request, name).journal
    if journal.exists() and replay(journal).name:
        raise JournalError(
            f"there is already a sweep '{name}'", f"resume it with --resume {name}, or choose another --name"
        )
    return name


def _read_resumed(request: SweepRequest) -> SweepState:
    refuse_changes(request)
    assert request.resume is not None
    state = replay(_folder(request, request.resume).journal)
    if not state.name:
        raise JournalError(f"the sweep '{request.resume}' never began", f"start it with --name {request.resume}")
    for trial in state.trials.values():
        _ = trial.experiment  # refused here if of another version: Tune wraps the errors of its hooks
    return state


def _folder(request: SweepRequest, name: str) -> SweepFolder:
    return SweepFolder(request.home / "sweeps" / name)
