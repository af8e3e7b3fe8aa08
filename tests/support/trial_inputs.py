"""The data of trials without Ray: prepared as for `tune/train_one.py`, in this process."""

import tempfile
from pathlib import Path

from rich.console import Console

from ser.commands.train_one import load_local_data
from ser.experiment.experiment import Experiment
from ser.experiment.trial_data import TrialData


def trial_data(experiment: Experiment, corpus_dir: Path) -> TrialData:
    """The clips in `corpus_dir` in the feature space of `experiment`."""
    with tempfile.TemporaryDirectory() as store:
        return load_local_data(experiment, str(corpus_dir), Path(store) / "features", Console(quiet=True))
