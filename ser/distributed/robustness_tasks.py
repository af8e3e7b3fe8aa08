"""Predictions of the best network of each cell in noise, babble and telephone sound, by Ray tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ray
import torch
from rich.console import Console

from ser.audio import AudioError, Wave, decode
from ser.console import show_clip_progress
from ser.corpora.base import Clip
from ser.distributed.tasks import run_bounded
from ser.errors import UserError
from ser.evaluation.perturbations import CONDITIONS, perturb
from ser.evaluation.robustness import (
    ROBUSTNESS_FILE,
    PerturbedPrediction,
    append_robustness,
    choose_clips,
    choose_talkers,
    find_complete_clips,
    read_robustness,
    write_robustness,
)
from ser.experiment.bundle import Classifier, load_bundle
from ser.experiment.preparation import PreparedCorpus
from ser.features.base import Rows, Spectra
from ser.features.batch import describe_read_error, read_sound
from ser.features.spaces import stored_settings
from ser.splits.partition import Partition
from ser.sweep.journal import TrialKey

_CLIPS_PER_TASK = 10


@dataclass(frozen=True)
class BestTrial:
    """Best trial of a cell by validation, and the folder of its bundle."""

    key: TrialKey
    bundle: Path


def measure_robustness(
    sweep_dir: Path,
    networks: Sequence[BestTrial],
    prepared: PreparedCorpus,
    parts: Partition,
    *,
    n_clips: int,
    console: Console,
) -> list[PerturbedPrediction]:
    """Predict some test clips with each network under every condition, and keep the results in `robustness.csv`.

    All networks get the same clips. Predictions in the file of the sweep are used again; those of other trials or clips
    are removed from it. Ray must be running.

    Args:
        sweep_dir: folder of the sweep.
        networks: best trial of each cell, trained on the split of `parts`.
        prepared: clips of the sweep.
        parts: training, validation and test part of its split.
        n_clips: number of test clips, equally many of each emotion as far as possible.
        console: for progress and the time left.

    Returns:
        All predictions of these networks on these clips, the earlier ones first.

    Raises:
        UserError: `n_clips` is below 1, the file of the sweep is damaged, or a clip cannot be read.
        WorkerDiedError: a worker process died in every attempt.
    """
    path = sweep_dir / ROBUSTNESS_FILE
    training = [prepared.clips[at] for at in parts.train]
    chosen = choose_clips([prepared.clips[at] for at in parts.test], n_clips)
    trials = [(network.key.cell, network.key.number) for network in networks]
    predictions = _read_kept(path, trials, {clip.name for clip in chosen})
    write_robustness(path, predictions)
    done = {prediction.clip for prediction in predictions}
    missing = [clip for clip in chosen if clip.name not in done]
    console.print(
        f"{len(networks)} networks predict {len(chosen)} test clips of split {parts.name}, fold {parts.fold}, under "
        f"{len(CONDITIONS)} conditions; {len(done)} were predicted before"
    )
    batches = (missing[first : first + _CLIPS_PER_TASK] for first in range(0, len(missing), _CLIPS_PER_TASK))
    n_done = 0
    with show_clip_progress(console, len(missing), label="Predictions of") as show_progress:
        for answers in run_bounded(partial(_submit, tuple(networks), batch, training) for batch in batches):
            append_robustness(path, answers)
            predictions += answers
            n_done += len({answer.clip for answer in answers})
            show_progress(n_done, None)
    return predictions


def _read_kept(path: Path, trials: Sequence[tuple[str, int]], chosen: set[str]) -> list[PerturbedPrediction]:
    """Read the earlier predictions of clips that are chosen again and that every trial has predicted."""
    kept = [p for p in read_robustness(path) if (p.cell, p.trial) in trials and p.clip in chosen]
    complete = find_complete_clips(kept, trials)
    return [prediction for prediction in kept if prediction.clip in complete]


@dataclass(frozen=True)
class _ClipFiles:
    """A clip to predict, and the bytes of its file and of those of its babble, by their locations."""

    clip: Clip
    sounds: dict[str, bytes]


def _submit(
    networks: tuple[BestTrial, ...], batch: Sequence[Clip], training: Sequence[Clip]
) -> ray.ObjectRef[list[PerturbedPrediction]]:
    """Start the task of a batch, with the bytes of its files, because the workers may not have the corpus."""
    files = [_ClipFiles(clip, _read_sounds(clip, *choose_talkers(clip, training))) for clip in batch]
    return _predict_batch.remote(networks, files)


def _read_sounds(*clips: Clip) -> dict[str, bytes]:
    sounds = {}
    for clip in clips:
        try:
            sounds[clip.location] = read_sound(clip.location)
        except OSError as error:
            raise UserError(f"{clip.location} {describe_read_error(error)}, then run the same command again") from None
        except AudioError as error:
            raise _audio_error(clip.location, error) from None
    return sounds


def _decode(location: str, sound: bytes) -> Wave:
    try:
        return decode(sound)
    except AudioError as error:
        raise _audio_error(location, error) from None


def _audio_error(location: str, error: AudioError) -> UserError:
    return UserError(
        f"{location} cannot be used ({error.problem})", "put back the file that the sweep was trained with"
    )


@ray.remote(num_cpus=1, max_retries=3)
def _predict_batch(networks: tuple[BestTrial, ...], batch: Sequence[_ClipFiles]) -> list[PerturbedPrediction]:
    torch.set_num_threads(1)
    classifiers = [(network.key, Classifier(load_bundle(network.bundle))) for network in networks]
    predictions = []
    for clip, sounds in ((files.clip, files.sounds) for files in batch):
        wave, *talkers = (_decode(location, sound) for location, sound in sounds.items())
        for condition in CONDITIONS:
            perturbed_wave = perturb(wave, condition, name=clip.name, talkers=talkers)
            features: dict[str, Rows] = {}
            for key, classifier in classifiers:
                space = classifier.space
                # Cells with the same stored settings share the features.
                stored = str((space.dimensions, stored_settings(space)))
                if stored not in features:
                    features[stored] = space.compute(Spectra(perturbed_wave, space.framing))
                prediction = classifier.emotions[int(classifier.predict_from_features(features[stored]).argmax())]
                predictions.append(
                    PerturbedPrediction(
                        key.cell, key.number, condition, clip.name, clip.speaker, clip.emotion, prediction
                    )
                )
    return predictions
