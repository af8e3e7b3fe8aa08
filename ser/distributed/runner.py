"""Run the trials of a sweep inside one Ray Tune run."""

import time

import ray
from ray import tune

from ser.distributed.observer import Observer
from ser.distributed.trainable import train
from ser.distributed.tune_adapter import SweepCallback, SweepScheduler, SweepSearch, read_trial_key, trial_resources
from ser.experiment.trial_data import TrialData
from ser.sweep.controller import Controller
from ser.sweep.folder import SweepFolder, trial_folder_name


def run_trials(
    folder: SweepFolder,
    controller: Controller,
    data: dict[str, ray.ObjectRef[TrialData]],
    observer: Observer,
    *,
    time_budget_s: float | None,
) -> None:
    """Run the trials that the journal does not hold yet, and close the sweep. Ray must be running.

    Args:
        folder: folder of the sweep.
        controller: controller of the sweep, which chooses the trials.
        data: data of the trials, by `name_stored_features` of the feature space.
        observer: display of the sweep.
        time_budget_s: seconds after which open trials are stopped and can be resumed later; None for no limit.

    Raises:
        JournalError: the journal cannot be written, or is damaged.
    """
    started = time.monotonic()
    try:
        with observer:
            _make_tuner(folder, controller, data, observer, time_budget_s).fit()
    except Exception:
        if controller.failure is not None:
            raise controller.failure from None
        controller.check_room()
        raise
    finally:
        is_spent = time_budget_s is not None and time.monotonic() - started >= time_budget_s
        controller.close(unfinished="budget" if is_spent else "killed")


def _make_tuner(
    folder: SweepFolder,
    controller: Controller,
    data: dict[str, ray.ObjectRef[TrialData]],
    observer: Observer,
    time_budget_s: float | None,
) -> tune.Tuner:
    folder.storage.mkdir(parents=True, exist_ok=True)
    n_starts = len(list(folder.storage.glob("run-*")))
    trainable = tune.with_resources(tune.with_parameters(train, data=data), trial_resources(controller.plan))
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=SweepSearch(controller, folder.storage),
            scheduler=SweepScheduler(controller),
            num_samples=-1,
            time_budget_s=time_budget_s,
            trial_dirname_creator=lambda trial: trial_folder_name(read_trial_key(trial)),
            # A process that is still in a training step when its trial is stopped would make the next trial fail.
            reuse_actors=False,
        ),
        run_config=tune.RunConfig(
            name=f"run-{n_starts + 1:03d}",
            storage_path=str(folder.storage.resolve()),
            callbacks=[SweepCallback(controller, observer, folder.storage)],
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
            failure_config=tune.FailureConfig(max_failures=3),
            verbose=0,
        ),
    )
