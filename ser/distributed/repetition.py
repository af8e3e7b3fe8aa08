"""One training in this process, with what was logged of it beside it where it repeats a run.

Ray is started only where features are missing in the store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from ser.audio import digest_of
from ser.config import Experiment
from ser.corpora.base import CORPORA, Clip, CorpusError
from ser.corpora.cremad_tables import vote_shares
from ser.corpora.locations import Location, read_bytes
from ser.distributed.cluster import connected
from ser.distributed.display import clock
from ser.distributed.preparation import clips_digest, extract_all, find_clips, pipeline_of, quarantine_of
from ser.distributed.takes import Twins
from ser.distributed.usable import usable
from ser.features.dataset import join
from ser.features.entry import Entry
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore
from ser.features.takes import fingerprint, same_takes
from ser.metrics import unweighted_average_recall_standard_error
from ser.tracking.logged_runs import LoggedRun
from ser.training import Epoch
from ser.trial import Trial, TrialData, validation_metrics

LOSS_TOLERANCE, STANDARD_ERRORS = 0.02, 2.0


@dataclass(frozen=True)
class Training:
    """What a training came to: metrics of each epoch, test figures, and the standard error of the best epoch's UAR."""

    epochs: tuple[Mapping[str, float], ...]
    test: Mapping[str, float]
    standard_error: float


@dataclass(frozen=True)
class Agreement:
    """Whether a repetition gave what was logged: to the last bit, within tolerance, or neither; and a sentence."""

    exact: bool
    agrees: bool
    sentence: str


def local_data(experiment: Experiment, corpus_dir: Location, store_dir: Path, console: Console) -> TrialData:
    """The clips that a sweep with this experiment would train, validate and test on, in its feature space.

    Raises:
        CorpusError: no usable corpus in the folder.
        StoreError: the feature store cannot be used.
        ClusterError: features are missing, and Ray does not start.
    """
    clips = find_clips(experiment.corpus, corpus_dir, console)
    store, pipeline = FeatureStore(store_dir.resolve()), pipeline_of({"": experiment})
    digests = {clip.name: _digest(clip) for clip in clips}
    entries = _entries(clips, digests, store, pipeline)
    if len(entries) < len(clips):
        with connected(None):
            # Whether too many are bad was decided when the run began; other clips than its own are refused.
            quarantine = quarantine_of(experiment.corpus, store, 100.0)
            extract_all(clips, store, pipeline, console, quarantine=quarantine, whole=True)
        entries = _entries(clips, digests, store, pipeline)
    clips, twins = usable(
        clips,
        {name: entry.facts for name, entry in entries.items()},
        choice=experiment.corpus,
        twins_of=lambda some: _twins(some, entries),
        console=console,
    )
    if not clips:
        raise CorpusError(f"not one clip in {corpus_dir} can be used: quarantine says why")
    return TrialData(
        matrix=join([entries[clip.name].features[f"{experiment.cell.dimensions}d"] for clip in clips]),
        clips=clips,
        facts=tuple(entries[clip.name].facts for clip in clips),
        emotions=CORPORA[experiment.corpus.name].emotions,
        twins=twins,
        votes=vote_shares(experiment.corpus, corpus_dir, clips) if experiment.training.vote_share else None,
    )


def refuse_others(data: TrialData, logged: LoggedRun, corpus_dir: Location) -> None:
    """Refuse to repeat a run on other clips than its own.

    Raises:
        CorpusError: clips or their bytes have changed.
    """
    if logged.corpus_digest and logged.corpus_digest != clips_digest(
        data.clips, [facts.digest for facts in data.facts]
    ):
        raise CorpusError(
            f"{corpus_dir} does not hold the clips that run {logged.run.info.run_id} was trained on: give their folder "
            f"by --corpus-dir; it was {logged.corpus_dir}. If it is that one, its files have changed, or another "
            "version of ser chose among them"
        )


def train(
    experiment: Experiment,
    data: TrialData,
    *,
    device: str,
    folder: Path,
    console: Console,
    before: Sequence[Mapping[str, float]] = (),
    test: bool = True,
) -> Training:
    """Train in this process, told epoch by epoch.

    Args:
        experiment: what to train.
        data: on which clips.
        device: where.
        folder: for bundle and predictions.
        console: told of each epoch.
        before: what was logged of each epoch of a run that this repeats; no more epochs are trained.
        test: whether to test at the end.
    """
    trial = Trial(experiment, data, device=device)
    n_epochs = len(before) or experiment.training.max_epochs
    epochs: list[Epoch] = []
    for epoch in trial.epochs():
        epochs.append(epoch)
        console.print(_told(epochs, n_epochs, before), highlight=False, soft_wrap=True)
        if epoch.epoch == n_epochs:
            break
    results = trial.finish(folder) if test else {}
    best = max(epochs, key=lambda epoch: epoch.val_uar)
    return Training(
        epochs=tuple(validation_metrics(epoch) for epoch in epochs),
        test={f"test_{name}": results[name] for name in ("uar", "accuracy", "macro_f1") if name in results},
        standard_error=unweighted_average_recall_standard_error(best.confusion),
    )


def agreement(logged: LoggedRun, again: Training) -> Agreement:
    """Compare a repetition with its run.

    On the same machine with the same versions every figure is the same to the last bit. Elsewhere sums are rounded in
    another order, which training enlarges: then the loss of the first epoch may differ by 2 %, and the best validation
    UAR by two standard errors over clips. Our choice.
    """
    n_figures = sum(map(len, logged.epochs)) + len(again.test)
    same_test = all(logged.test.get(name) == value for name, value in again.test.items())
    if logged.epochs == again.epochs and same_test:
        return Agreement(True, True, f"agrees exactly: {n_figures} figures of {len(again.epochs)} epochs are the same")
    loss, loss_again = logged.epochs[0]["train_loss"], again.epochs[0]["train_loss"]
    best, best_again = (max(epoch["val_uar"] for epoch in epochs) for epochs in (logged.epochs, again.epochs))
    loss_off, uar_off = abs(loss_again / loss - 1), abs(best_again - best)
    allowed = STANDARD_ERRORS * again.standard_error
    agrees = loss_off <= LOSS_TOLERANCE and uar_off <= allowed
    how = "agrees within tolerance, not to the last bit" if agrees else "does not agree"
    return Agreement(
        False,
        agrees,
        f"{how}: the loss of epoch 1 differs by {100 * loss_off:.2g} % ({100 * LOSS_TOLERANCE:g} are allowed), "
        f"the best validation UAR by {100 * uar_off:.2g} points ({100 * allowed:.2g} are allowed)",
    )


def _digest(clip: Clip) -> str:
    """Of the file's bytes; '' where it cannot be read, which the extraction tells."""
    try:
        return digest_of(read_bytes(clip.location))
    except OSError:
        return ""


def _entries(
    clips: Sequence[Clip], digests: Mapping[str, str], store: FeatureStore, pipeline: Pipeline
) -> dict[str, Entry]:
    """What the store has of the clips."""
    found = {clip.name: store.read(store.key(digests[clip.name], pipeline.digest)) for clip in clips}
    return {
        name: replace(entry, features=pipeline.unpack(entry.features))
        for name, entry in found.items()
        if entry is not None
    }


def _twins(clips: Sequence[Clip], entries: Mapping[str, Entry]) -> Twins:
    """The names of every two clips that are one take."""
    known = [fingerprint(entries[clip.name].features["2d"]) for clip in clips]
    pairs = same_takes(np.stack(known)) if known else []
    return tuple((clips[one].name, clips[other].name) for one, other in pairs)


def _told(epochs: Sequence[Epoch], n_epochs: int, before: Sequence[Mapping[str, float]]) -> str:
    epoch = epochs[-1]
    left_s = (n_epochs - epoch.epoch) * sum(each.seconds for each in epochs) / len(epochs)
    beside = f" (logged {100 * before[epoch.epoch - 1]['val_uar']:.2f})" if before else ""
    return (
        f"epoch {epoch.epoch:>3} of {n_epochs}: loss {epoch.train_loss:.4f}, validation UAR {100 * epoch.val_uar:.2f} %"
        f"{beside}, {epoch.seconds:.1f} s, about {clock(left_s)} left"
    )
