"""Train one network in this process: repeat a logged run, or train an experiment given by its settings."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from ser.commands.exit_codes import FINISHED, NOT_MET
from ser.console import format_duration, print_line
from ser.corpora.base import CorpusError
from ser.corpora.cremad_tables import read_vote_shares
from ser.corpora.locations import Location
from ser.errors import UserError
from ser.evaluation.metrics import unweighted_average_recall_standard_error
from ser.experiment.experiment import Experiment, from_flat
from ser.experiment.preparation import build_pipeline, digest_clips, find_clips, prepare_corpus
from ser.experiment.trial import Trial, validation_metrics
from ser.experiment.trial_data import TrialData, load_trial_data
from ser.features.extractor import LocalExtractor
from ser.features.store import FeatureStore
from ser.paths import default_corpus_dir
from ser.tracking.client.connection import open_tracker
from ser.tracking.logged_run import LoggedRun, log_repeated_training, read_run
from ser.training.loop import Epoch

LOSS_TOLERANCE, STANDARD_ERRORS = 0.02, 2.0


@dataclass(frozen=True)
class TrainingRequest:
    """The command line of `train_one.py`; None is 'not given'."""

    settings: Sequence[str]
    corpus_dir: Location | None
    tracking_uri: str | None
    home: Path
    log: bool


@dataclass(frozen=True)
class TrainingResult:
    """Result of a training.

    Attributes:
        epochs: validation metrics of each epoch.
        test: test metrics by name; empty if the training was not tested.
        standard_error: standard error over clips of the best epoch's validation UAR, a fraction.
    """

    epochs: tuple[Mapping[str, float], ...]
    test: Mapping[str, float]
    standard_error: float


@dataclass(frozen=True)
class Agreement:
    """Agreement of a repetition with its logged run.

    Attributes:
        exact: every figure is the same to the last bit.
        agrees: the figures are the same, or within tolerance.
        summary: one line for a person.
    """

    exact: bool
    agrees: bool
    summary: str


def run_training(request: TrainingRequest, console: Console) -> int:
    """Train, and compare the result with the logged run if there is one.

    Returns:
        Exit code, `NOT_MET` where a run is not reproduced.

    Raises:
        UserError: settings, run, corpus, feature store or tracker cannot be used.
        TrainingError: the training fails, as on a loss that is not finite.
    """
    settings = dict(pair.partition("=")[::2] for pair in request.settings)
    with tempfile.TemporaryDirectory() as scratch:
        if "run" not in settings:
            return _train_experiment(settings, request, Path(scratch), console)
        if others := ", ".join(name for name in settings if name != "run"):
            raise UserError("run=... is trained with its own settings", f"omit {others}")
        return _repeat_run(settings["run"], request, Path(scratch), console)


def _repeat_run(run_id: str, request: TrainingRequest, folder: Path, console: Console) -> int:
    client = open_tracker(request.tracking_uri)
    logged = read_run(client, run_id)
    _refuse_other_features(logged)
    corpus_dir = request.corpus_dir or logged.corpus_dir
    data = load_local_data(logged.experiment, corpus_dir, request.home / "features", console)
    refuse_other_clips(data, logged, corpus_dir)
    torch.set_num_threads(logged.n_threads)
    result = train_network(
        logged.experiment,
        data,
        device=_choose_device(),
        folder=folder,
        console=console,
        before=logged.epochs,
        test=bool(logged.test),
    )
    agreement = check_agreement(logged, result)
    print_line(console, f"Run {run_id} {agreement.summary}")
    if request.log:
        console.print(f"Logged as run {log_repeated_training(client, logged, result.epochs, result.test, folder)}")
    return FINISHED if agreement.agrees else NOT_MET


def _refuse_other_features(logged: LoggedRun) -> None:
    space = logged.experiment.features
    if logged.features_version != space.version:
        raise UserError(
            f"run {logged.run.info.run_id} was trained on version {logged.features_version} of the "
            f"{space.dimensions}-D features, this is version {space.version}",
            "repeat it with the code of its sweep (tag ser.git_commit of its parent run), or train its settings again",
        )


def _train_experiment(settings: Mapping[str, str], request: TrainingRequest, folder: Path, console: Console) -> int:
    experiment = from_flat(settings)
    corpus_dir = request.corpus_dir or default_corpus_dir(experiment.corpus.name)
    data = load_local_data(experiment, corpus_dir, request.home / "features", console)
    result = train_network(experiment, data, device=_choose_device(), folder=folder, console=console)
    console.print(", ".join(f"{name} {100 * value:.1f} %" for name, value in result.test.items()))
    return FINISHED


def _choose_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def load_local_data(experiment: Experiment, corpus_dir: Location, store_dir: Path, console: Console) -> TrialData:
    """Load the training, validation and test clips of an experiment, as a sweep would use them.

    Args:
        experiment: names corpus, split and feature space.
        corpus_dir: folder or URL of the corpus.
        store_dir: folder of the feature store.
        console: where to print the progress.

    Raises:
        CorpusError: no usable corpus in the folder.
        UserError: the feature store cannot be used.
    """
    prepared = prepare_corpus(
        experiment.corpus,
        corpus_dir,
        find_clips(experiment.corpus, corpus_dir, console),
        store=FeatureStore(store_dir.resolve()),
        pipeline=build_pipeline([experiment]),
        extractor=LocalExtractor(),
        # The limit of unusable clips was applied when the run began; any other clips are refused.
        max_bad=100.0,
        console=console,
    )
    if not prepared.clips:
        raise CorpusError(f"none of the clips in {corpus_dir} can be used", "see the reasons in the quarantine report")
    return load_trial_data(
        experiment.cell.dimensions,
        prepared.clips,
        prepared.digests,
        duplicates=prepared.duplicates,
        emotions=prepared.emotions,
        store=prepared.store,
        pipeline=prepared.pipeline,
        votes=read_vote_shares(experiment.corpus, corpus_dir, prepared.clips)
        if experiment.training.vote_share
        else None,
    )


def refuse_other_clips(data: TrialData, logged: LoggedRun, corpus_dir: Location) -> None:
    """Refuse to repeat a run on clips that differ from its own.

    Raises:
        CorpusError: the clips or their bytes have changed.
    """
    if logged.corpus_digest and logged.corpus_digest != digest_clips(
        data.clips, [facts.digest for facts in data.facts]
    ):
        raise CorpusError(
            f"{corpus_dir} does not hold the clips that run {logged.run.info.run_id} was trained on, from "
            f"{logged.corpus_dir}; if it is the same folder, its files have changed, or another version of ser has "
            "selected the clips",
            "give their folder with --corpus-dir",
        )


def train_network(
    experiment: Experiment,
    data: TrialData,
    *,
    device: str,
    folder: Path,
    console: Console,
    before: Sequence[Mapping[str, float]] = (),
    test: bool = True,
) -> TrainingResult:
    """Train in this process, and print a line for each epoch.

    Args:
        experiment: everything that defines the training.
        data: clips and features.
        device: device of torch, `cpu` or `cuda`.
        folder: folder for bundle and predictions.
        console: where to print.
        before: logged metrics of each epoch of the run to repeat, which limit the number of epochs; empty for none.
        test: test the best epoch at the end.

    Raises:
        TrainingError: the training fails, as on a loss that is not finite.
    """
    trial = Trial(experiment, data, device=device)
    n_epochs = len(before) or experiment.training.max_epochs
    epochs: list[Epoch] = []
    for epoch in trial.epochs():
        epochs.append(epoch)
        console.print(_format_epoch(epochs, n_epochs, before), highlight=False, soft_wrap=True)
        if epoch.epoch == n_epochs:
            break
    results = trial.finish(folder) if test else {}
    best = max(epochs, key=lambda epoch: epoch.val_uar)
    return TrainingResult(
        epochs=tuple(validation_metrics(epoch) for epoch in epochs),
        test={f"test_{name}": results[name] for name in ("uar", "accuracy", "macro_f1") if name in results},
        standard_error=unweighted_average_recall_standard_error(best.confusion),
    )


def check_agreement(logged: LoggedRun, again: TrainingResult) -> Agreement:
    """Compare a repetition with its logged run.

    On the same machine with the same versions every figure is the same to the last bit. Elsewhere sums are rounded in
    another order, and training amplifies the difference. There the loss of the first epoch may differ by 2 %, and the
    best validation UAR by two standard errors over clips.

    Args:
        logged: the logged run.
        again: result of its repetition.

    Source:
        The tolerances are our choice.
    """
    n_figures = sum(map(len, logged.epochs)) + len(again.test)
    same_test = all(logged.test.get(name) == value for name, value in again.test.items())
    if logged.epochs == again.epochs and same_test:
        return Agreement(True, True, f"agrees exactly: {n_figures} figures of {len(again.epochs)} epochs are the same")
    loss, loss_again = logged.epochs[0]["train_loss"], again.epochs[0]["train_loss"]
    best, best_again = (max(epoch["val_uar"] for epoch in epochs) for epochs in (logged.epochs, again.epochs))
    loss_difference, uar_difference = abs(loss_again / loss - 1), abs(best_again - best)
    allowed = STANDARD_ERRORS * again.standard_error
    agrees = loss_difference <= LOSS_TOLERANCE and uar_difference <= allowed
    verdict = "agrees within tolerance, not to the last bit" if agrees else "does not agree"
    return Agreement(
        False,
        agrees,
        f"{verdict}: the loss of epoch 1 differs by {100 * loss_difference:.2g} % ({100 * LOSS_TOLERANCE:g} are "
        f"allowed), the best validation UAR by {100 * uar_difference:.2g} points ({100 * allowed:.2g} are allowed)",
    )


def _format_epoch(epochs: Sequence[Epoch], n_epochs: int, before: Sequence[Mapping[str, float]]) -> str:
    epoch = epochs[-1]
    left_s = (n_epochs - epoch.epoch) * sum(each.seconds for each in epochs) / len(epochs)
    beside = f" (logged {100 * before[epoch.epoch - 1]['val_uar']:.2f})" if before else ""
    return (
        f"epoch {epoch.epoch:>3} of {n_epochs}: loss {epoch.train_loss:.4f}, validation UAR {100 * epoch.val_uar:.2f} %"
        f"{beside}, {epoch.seconds:.1f} s, about {format_duration(left_s)} left"
    )
