"""A study that is asked and told without training, with a made-up score."""

from ser.experiment.experiment import Experiment, all_cells, default_experiment
from ser.settings.ranges import Value
from ser.sweep.journal import Asked, Ended, Reported, TrialKey
from ser.sweep.state import SweepTrial
from ser.sweep.study import Study

CELLS = ("lenet5-1d", "sercnn-2d")
NARROW = ("training.lr", "training.batch_size", "model.dropout", "model.norm", "augment.n_time_masks")


def defaults(*cells: str) -> dict[str, Experiment]:
    return {cell: default_experiment(all_cells()[cell], corpus="synthetic") for cell in cells}


def study(*cells: str, seed: int = 0, n_startup_trials: int = 4, names: tuple[str, ...] = NARROW) -> Study:
    experiments = defaults(*cells)
    spaces = {
        cell: {name: allowed for name, allowed in x.searched().items() if name in names or not names}
        for cell, x in experiments.items()
    }
    return Study(experiments, spaces, n_startup_trials=n_startup_trials, seed=seed)


def ended(key: TrialKey, values: dict[str, Value], outcome: str, *uars: float) -> SweepTrial:
    record = SweepTrial(key, Asked(key.cell, key.number, {}, values))
    for epoch, uar in enumerate(uars, start=1):
        metrics = {"val_uar": uar, "val_loss": 1.0}
        record.report(Reported(key.cell, key.number, epoch, metrics, [[1]], False))
    record.ended = Ended(key.cell, key.number, outcome)
    return record


def score(values: dict[str, Value]) -> float:
    return 0.5 - abs(float(values["model.dropout"]) - 0.45) + 0.1 * (values["model.norm"] == "batch")


def played(one: Study, n_trials: int, sweep: str = "s", told: int | None = None) -> list[dict[str, Value]]:
    """Ask and tell `n_trials` one by one, with a made-up score; the last ones may be left untold."""
    asks = []
    for number in range(n_trials):
        key, values = one.ask(sweep, number)
        asks.append({"cell": key.cell, **values})
        if told is None or number < told:
            one.tell(ended(key, values, "completed", score(values)))
    return asks
