"""UAR of the best network of each cell in noise, babble and over a telephone: by Ray tasks, some clips at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ray
import torch
from rich.console import Console

from ser.audio import AudioError, Wave, decode
from ser.console import clip_progress
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
    """The best trial of a cell by validation, and the folder of its bundle."""

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
    """Predictions of each network on some test clips under every condition, kept in `robustness.csv` of the sweep.

    All networks get the same clips. What the file has of them already is not measured again; what it has of other
    trials or clips is dropped. Ray must be running.

    Args:
        sweep_dir: folder of the sweep.
        networks: the best trial of each cell, trained on the split of `parts`.
        prepared: the sweep's clips.
        parts: of its split.
        n_clips: test clips to try, as many of each emotion as there are.
        console: where to show progress and the time left.

    Raises:
        UserError: fewer than one clip is asked for, the file of the sweep is damaged, or a clip cannot be read.
        WorkerDiedError: a worker has died, again and again.
    """
    path = sweep_dir / ROBUSTNESS_FILE
    training = [prepared.clips[at] for at in parts.train]
    chosen = choose_clips([prepared.clips[at] for at in parts.test], n_clips)
    trials = [(network.key.cell, network.key.number) for network in networks]
    answers = _kept(path, trials, {clip.name for clip in chosen})
    write_robustness(path, answers)
    done = {answer.clip for answer in answers}
    missing = [clip for clip in chosen if clip.name not in done]
    console.print(
        f"{len(networks)} networks answer {len(chosen)} test clips of split {parts.name}, fold {parts.fold}, under "
        f"{len(CONDITIONS)} conditions; {len(done)} were answered before"
    )
    batches = (missing[first : first + _CLIPS_PER_TASK] for first in range(0, len(missing), _CLIPS_PER_TASK))
    n_done = 0
    with clip_progress(console, len(missing), what="Answers to") as tell:
        for given in run_bounded(partial(_submit, tuple(networks), batch, training) for batch in batches):
            append_robustness(path, given)
            answers += given
            n_done += len({answer.clip for answer in given})
            tell(n_done, None)
    return answers


def _kept(path: Path, trials: Sequence[tuple[str, int]], chosen: set[str]) -> list[PerturbedPrediction]:
    answers = [
        answer for answer in read_robustness(path) if (answer.cell, answer.trial) in trials and answer.clip in chosen
    ]
    whole = find_complete_clips(answers, trials)
    return [answer for answer in answers if answer.clip in whole]


@dataclass(frozen=True)
class _Tried:
    """A clip to try, and the files of its sound and of those who talk beside it, by their locations."""

    clip: Clip
    sounds: dict[str, bytes]


def _submit(
    networks: tuple[BestTrial, ...], batch: Sequence[Clip], training: Sequence[Clip]
) -> ray.ObjectRef[list[PerturbedPrediction]]:
    """Hand a batch to the workers, with its bytes: their machines need not have the corpus."""
    return _answer_batch.remote(
        networks, [_Tried(clip, _sounds(clip, *choose_talkers(clip, training))) for clip in batch]
    )


def _sounds(*clips: Clip) -> dict[str, bytes]:
    sounds = {}
    for clip in clips:
        try:
            sounds[clip.location] = read_sound(clip.location)
        except OSError as error:
            raise UserError(f"{clip.location} {describe_read_error(error)}, then run the same command again") from None
        except AudioError as error:
            raise _unusable(clip.location, error) from None
    return sounds


def _wave(location: str, sound: bytes) -> Wave:
    try:
        return decode(sound)
    except AudioError as error:
        raise _unusable(location, error) from None


def _unusable(location: str, error: AudioError) -> UserError:
    return UserError(f"{location} cannot be used ({error}): put back the file that the sweep was trained with")


@ray.remote(num_cpus=1, max_retries=3)
def _answer_batch(networks: tuple[BestTrial, ...], batch: Sequence[_Tried]) -> list[PerturbedPrediction]:
    torch.set_num_threads(1)
    classifiers = [(network.key, Classifier(load_bundle(network.bundle))) for network in networks]
    answers = []
    for clip, sounds in ((tried.clip, tried.sounds) for tried in batch):
        wave, *talkers = (_wave(location, sound) for location, sound in sounds.items())
        for condition in CONDITIONS:
            perturbed_wave = perturb(wave, condition, name=clip.name, talkers=talkers)
            features: dict[str, Rows] = {}
            for key, classifier in classifiers:
                space = classifier.space
                # Cells that store the same share it.
                stored = str((space.dimensions, stored_settings(space)))
                if stored not in features:
                    features[stored] = space.compute(Spectra(perturbed_wave, space.framing))
                prediction = classifier.emotions[int(classifier.predict_from_features(features[stored]).argmax())]
                answers.append(
                    PerturbedPrediction(
                        key.cell, key.number, condition, clip.name, clip.speaker, clip.emotion, prediction
                    )
                )
    return answers
