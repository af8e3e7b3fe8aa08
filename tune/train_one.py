"""Train one network without a sweep: a logged run again, from its params alone, or an experiment given by its settings.

    python tune/train_one.py run=ID
    python tune/train_one.py cell.architecture=sercnn cell.dimensions=1 training.lr=0.001

Of a run it says whether the result agrees: to the last bit on the same machine, else within tolerance. Nothing is
written to the tracker without `--log`.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import torch
from rich.console import Console
from rich.text import Text

from ser.commands.train_one import agreement, local_data, refuse_others, train
from ser.corpora.base import CorpusError
from ser.errors import UserError
from ser.experiment.experiment import from_flat
from ser.paths import DEFAULT_HOME, default_corpus_dir
from ser.settings.ranges import SettingError
from ser.tracking.client.connection import opened
from ser.tracking.logged_run import log_repetition, read_run
from ser.tracking.publication import TrackerError

AGREES, DIFFERS, REFUSED, STOPPED = 0, 1, 2, 130
REFUSALS = (UserError, CorpusError, SettingError, UserError, UserError, TrackerError, SettingError)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("settings", nargs="+", metavar="run=ID | setting=value", help="a logged run, or the settings of an experiment")
    add("--corpus-dir", help="folder of the corpus; default: where the run's was, else <corpus> in SER_DATA or data")
    add("--tracking-uri", metavar="URI", help="MLflow; default MLFLOW_TRACKING_URI, else SQLite in this folder")
    add("--home", type=Path, default=DEFAULT_HOME, help="where features are kept; default SER_HOME, else .ser")
    add("--log", action="store_true", help="log the repetition as a run beside the one it repeats")
    return parser.parse_intermixed_args()


def repeat(run_id: str, request: argparse.Namespace, folder: Path, console: Console) -> int:
    """Train a logged run again and say whether it agrees."""
    client = opened(request.tracking_uri)
    logged = read_run(client, run_id)
    corpus_dir = request.corpus_dir or logged.corpus_dir
    data = local_data(logged.experiment, corpus_dir, request.home / "features", console)
    refuse_others(data, logged, corpus_dir)
    torch.set_num_threads(logged.n_threads)
    again = train(
        logged.experiment, data, device=device(), folder=folder, console=console, before=logged.epochs,
        test=bool(logged.test),
    )  # fmt: skip
    found = agreement(logged, again)
    console.print(f"Run {run_id} {found.sentence}", soft_wrap=True)
    if request.log:
        console.print(f"Logged as run {log_repetition(client, logged, again.epochs, again.test, folder)}")
    return AGREES if found.agrees else DIFFERS


def train_anew(settings: dict[str, str], request: argparse.Namespace, folder: Path, console: Console) -> int:
    """Train an experiment and print what it came to."""
    experiment = from_flat(settings)
    corpus_dir = request.corpus_dir or default_corpus_dir(experiment.corpus.name)
    data = local_data(experiment, corpus_dir, request.home / "features", console)
    trained = train(experiment, data, device=device(), folder=folder, console=console)
    console.print(", ".join(f"{name} {100 * value:.1f} %" for name, value in trained.test.items()))
    return AGREES


def device() -> str:
    """Where trainings of this machine run."""
    return "cuda" if torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    console = Console(highlight=False)
    try:
        request = arguments()
        settings = dict(pair.partition("=")[::2] for pair in request.settings)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            if "run" in settings:
                if others := ", ".join(name for name in settings if name != "run"):
                    raise SettingError(f"run=... is trained with its own settings: leave away {others}")
                sys.exit(repeat(settings["run"], request, folder, console))
            sys.exit(train_anew(settings, request, folder, console))
    except REFUSALS as error:
        console.print(Text.assemble(("error: ", "bold red"), str(error)), soft_wrap=True)
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        console.print("Stopped.")
        sys.exit(STOPPED)
