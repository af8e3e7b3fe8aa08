"""A sweep: journal, trials inside one Ray Tune run, and the MLflow writer beside it."""

import time
from collections.abc import Sequence

import ray
from ray import tune
from rich.console import Console

from ser.commands.live_display import Display
from ser.console import clock
from ser.distributed.trainable import train
from ser.distributed.tune_adapter import SweepCallback, SweepScheduler, SweepSearch, key_of, trial_resources
from ser.experiment.trial import TrialData
from ser.sweep.controller import Conductor
from ser.sweep.final_evaluation import Final
from ser.sweep.folder import SweepFolder, folder_of
from ser.sweep.journal import Journal
from ser.sweep.plan import Plan


def run(
    folder: SweepFolder,
    plan: Plan,
    journal: Journal,
    data: dict[str, ray.ObjectRef[TrialData]],
    console: Console,
    *,
    finals: Sequence[Final] = (),
    time_budget_s: float | None,
) -> None:
    """Run the trials that the journal does not have yet. Ray must be running.

    Args:
        folder: of the sweep.
        plan: what to do.
        journal: of this sweep, open; it says at the end whether the sweep is finished or was stopped.
        data: of the trials, by `stored_name` of the feature space.
        console: where to show progress.
        finals: what the final evaluation does.
        time_budget_s: seconds after which open trials are stopped, resumable; None for no limit.

    Raises:
        JournalError: the journal cannot be written, or is damaged.
    """
    conductor = Conductor(journal, plan, finals)
    search = SweepSearch(conductor, plan, folder.storage)
    display = Display(
        console,
        conductor.record,
        n_searched=plan.n_searched,
        n_trials=lambda: conductor.n_trials,
        n_slots=search.slots(),
        budget_s=time_budget_s,
    )
    if finals:
        _tell_finals(conductor, plan, search.slots(), console)
    started = time.monotonic()
    try:
        with display:
            _tuner(folder, conductor, search, display, plan, data, time_budget_s).fit()
    except Exception:
        if conductor.failure is not None:
            raise conductor.failure from None
        journal.check_room()
        raise
    finally:
        spent = time_budget_s is not None and time.monotonic() - started >= time_budget_s
        conductor.close(unfinished="budget" if spent else "killed")


def _tell_finals(conductor: Conductor, plan: Plan, n_slots: int, console: Console) -> None:
    """How much is planned yet after the search or without one, and how long that takes, where the search tells it."""
    cells = conductor.cells_to_test()
    if plan.is_ablation:
        console.print(f"Ablation: {len(cells)} trainings of {len(plan.variants) + 1} variants, baseline included")
    elif conductor.waits:
        n_trials = conductor.n_trials - plan.n_searched
        console.print(f"Final evaluation after the search: {n_trials} trainings (--dry-run estimates their time)")
    elif cells:
        best = {cell: conductor.record.best_of_cell(cell) for cell in set(cells)}
        took = {cell: trial.ended.test["train_seconds"] for cell, trial in best.items() if trial and trial.ended}
        left = clock(sum(took[cell] for cell in cells) / min(n_slots, len(cells)))
        console.print(f"Final evaluation: {len(cells)} trainings, about {left} with {n_slots} at a time")


def _tuner(
    folder: SweepFolder,
    conductor: Conductor,
    search: SweepSearch,
    display: Display,
    plan: Plan,
    data: dict[str, ray.ObjectRef[TrialData]],
    time_budget_s: float | None,
) -> tune.Tuner:
    folder.storage.mkdir(parents=True, exist_ok=True)
    n_starts = len(list(folder.storage.glob("run-*")))
    trainable = tune.with_resources(tune.with_parameters(train, data=data), trial_resources(plan))
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=search,
            scheduler=SweepScheduler(conductor),
            num_samples=-1,
            time_budget_s=time_budget_s,
            trial_dirname_creator=lambda trial: folder_of(key_of(trial)),
            # A process that is still within a step when its trial is stopped would cost the next trial its life.
            reuse_actors=False,
        ),
        run_config=tune.RunConfig(
            name=f"run-{n_starts + 1:03d}",
            storage_path=str(folder.storage.resolve()),
            callbacks=[SweepCallback(conductor, display, folder.storage)],
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
            failure_config=tune.FailureConfig(max_failures=3),
            verbose=0,
        ),
    )
