"""How the best network of each cell hears noise, babble and telephone: by Ray tasks, some clips at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ray
import torch
from rich import box
from rich.console import Console
from rich.table import Table

from ser.audio import AudioError, Wave, decode
from ser.console import clip_progress
from ser.corpora.base import Clip
from ser.corpora.locations import Location
from ser.distributed.cluster import connected
from ser.distributed.preparation import Prepared, find_fitting, prepare, refuse_other_clips
from ser.distributed.tasks import results
from ser.errors import UserError
from ser.evaluation.metrics import unweighted_average_recall
from ser.evaluation.perturbations import CONDITIONS, perturbed
from ser.evaluation.robustness import (
    ROBUSTNESS_FILE,
    Answer,
    append_answers,
    choose_clips,
    confusions,
    read_answers,
    talkers_beside,
    whole_clips,
    write_answers,
)
from ser.experiment.bundle import Classifier, load_bundle
from ser.features.base import Rows, Spectra
from ser.features.batch import read_sound, unreadable
from ser.features.spaces import stored_settings
from ser.sweep.folder import SweepFolder
from ser.sweep.journal import JournalError, TrialKey
from ser.sweep.plan_files import plan_from
from ser.sweep.state import SweepRecord, replay

N_CLIPS = 300

_CLIPS_PER_TASK = 10


@dataclass(frozen=True)
class Listener:
    """The best trial of a cell by validation, and the folder of its bundle."""

    key: TrialKey
    bundle: Path


@dataclass(frozen=True)
class Request:
    """The command line of `measure_robustness.py`; None is 'not given'."""

    sweep: str
    home: Path
    corpus_dir: Location | None = None
    clips: int = N_CLIPS
    ray_address: str | None = None


def run_robustness(request: Request, console: Console) -> None:
    """Measure what a finished or stopped sweep lacks, and show the table.

    Raises:
        JournalError: no such sweep, or no trial of it has completed.
        CorpusError: the corpus folder does not hold the sweep's clips.
        UserError: Ray cannot be used.
        UserError: the feature store cannot be used.
        UserError: fewer than one clip is asked for, the file of the sweep is damaged, or a clip cannot be read.
    """
    folder = SweepFolder(request.home / "sweeps" / request.sweep)
    record = replay(folder.journal)
    listeners = listeners_of(record)
    plan = plan_from(record.plan)
    corpus_dir = request.corpus_dir or str(record.facts["corpus_dir"])
    clips = find_fitting(plan, [], corpus_dir, console)
    with connected(request.ray_address):
        prepared = prepare(
            plan.experiments(),
            clips,
            corpus_dir=corpus_dir,
            store_dir=request.home / "features",
            max_bad=100.0,  # the sweep has decided; other clips than its own are refused below
            console=console,
        )
        refuse_other_clips(record, prepared)
        answers = measure_robustness(folder.path, listeners, prepared, n_clips=request.clips, console=console)
    console.print(robustness_table(answers, prepared.emotions))


def listeners_of(record: SweepRecord) -> tuple[Listener, ...]:
    """The best trial of each cell.

    Raises:
        JournalError: no trial has completed, an ablation, which keeps no weights, or a bundle has gone.
    """
    if record.is_ablation:
        raise JournalError(f"'{record.name}' is an ablation, which keeps no weights: give a sweep that searched")
    best = (record.best_of_cell(cell) for cell in sorted({key.cell for key in record.trials}))
    listeners = tuple(Listener(trial.key, Path(trial.ended.bundle)) for trial in best if trial and trial.ended)
    if not listeners:
        raise JournalError(f"no trial of sweep '{record.name}' has completed: go on with it first, by --resume")
    for listener in listeners:
        if not listener.bundle.is_dir():
            raise JournalError(
                f"the weights of {listener.key} are not in {listener.bundle}: give the --home that the sweep had, on "
                "a volume that this machine sees"
            )
    return listeners


def measure_robustness(
    sweep_dir: Path, listeners: Sequence[Listener], prepared: Prepared, *, n_clips: int = N_CLIPS, console: Console
) -> list[Answer]:
    """What each listener makes of some test clips under every condition, kept in `robustness.csv` of the sweep.

    All listeners hear the same clips. What the file has of them already is not measured again; what it has of other
    trials or clips is dropped. Ray must be running.

    Args:
        sweep_dir: folder of the sweep.
        listeners: the best trial of each cell, trained on the split of `prepared`.
        prepared: the sweep's clips.
        n_clips: test clips to try, as many of each emotion as there are.
        console: where to show progress and the time left.

    Raises:
        UserError: fewer than one clip is asked for, the file of the sweep is damaged, or a clip cannot be read.
        WorkerDiedError: a worker has died, again and again.
    """
    path, parts = sweep_dir / ROBUSTNESS_FILE, prepared.partition
    training = [prepared.clips[at] for at in parts.train]
    chosen = choose_clips([prepared.clips[at] for at in parts.test], n_clips)
    trials = [(listener.key.cell, listener.key.number) for listener in listeners]
    answers = _kept(path, trials, {clip.name for clip in chosen})
    write_answers(path, answers)
    done = {answer.clip for answer in answers}
    missing = [clip for clip in chosen if clip.name not in done]
    console.print(
        f"{len(listeners)} cells hear {len(chosen)} test clips of split {parts.name}, fold {parts.fold}, under "
        f"{len(CONDITIONS)} conditions; {len(done)} were heard before"
    )
    batches = (missing[first : first + _CLIPS_PER_TASK] for first in range(0, len(missing), _CLIPS_PER_TASK))
    n_done = 0
    with clip_progress(console, len(missing), what="Answers to") as tell:
        for given in results(partial(_submit, tuple(listeners), batch, training) for batch in batches):
            append_answers(path, given)
            answers += given
            n_done += len({answer.clip for answer in given})
            tell(n_done, None)
    return answers


def robustness_table(answers: Sequence[Answer], emotions: Sequence[str]) -> Table:
    """UAR by cell and condition, for a terminal."""
    n_clips = len({answer.clip for answer in answers})
    table = Table(
        box=box.SIMPLE_HEAD,
        caption=f"UAR % on {n_clips:,} test clips, the same for all; dB is speech over white noise or babble",
    )
    table.add_column("cell")
    for condition in CONDITIONS:
        table.add_column(condition.name.replace(" ", "\n", 1), justify="right")
    for cell, by_condition in sorted(confusions(answers, emotions).items()):
        figures = (100 * unweighted_average_recall(by_condition[condition]) for condition in CONDITIONS)
        table.add_row(cell, *(f"{figure:.1f}" for figure in figures))
    return table


def _kept(path: Path, trials: Sequence[tuple[str, int]], chosen: set[str]) -> list[Answer]:
    answers = [
        answer for answer in read_answers(path) if (answer.cell, answer.trial) in trials and answer.clip in chosen
    ]
    whole = whole_clips(answers, trials)
    return [answer for answer in answers if answer.clip in whole]


@dataclass(frozen=True)
class _Tried:
    """A clip to try, and the files of its sound and of those who talk beside it, by their locations."""

    clip: Clip
    sounds: dict[str, bytes]


def _submit(
    listeners: tuple[Listener, ...], batch: Sequence[Clip], training: Sequence[Clip]
) -> ray.ObjectRef[list[Answer]]:
    """Hand a batch to the workers, with its bytes: their machines need not have the corpus."""
    return _listen.remote(listeners, [_Tried(clip, _sounds(clip, *talkers_beside(clip, training))) for clip in batch])


def _sounds(*clips: Clip) -> dict[str, bytes]:
    sounds = {}
    for clip in clips:
        try:
            sounds[clip.location] = read_sound(clip.location)
        except OSError as error:
            raise UserError(f"{clip.location} {unreadable(error)}, then run the same command again") from None
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
def _listen(listeners: tuple[Listener, ...], batch: Sequence[_Tried]) -> list[Answer]:
    torch.set_num_threads(1)
    classifiers = [(listener.key, Classifier(load_bundle(listener.bundle))) for listener in listeners]
    answers = []
    for clip, sounds in ((tried.clip, tried.sounds) for tried in batch):
        wave, *talkers = (_wave(location, sound) for location, sound in sounds.items())
        for condition in CONDITIONS:
            heard = perturbed(wave, condition, name=clip.name, talkers=talkers)
            features: dict[str, Rows] = {}
            for key, classifier in classifiers:
                space = classifier.space
                # Cells that store the same share it.
                stored = str((space.dimensions, stored_settings(space)))
                if stored not in features:
                    features[stored] = space.compute(Spectra(heard, space.framing))
                prediction = classifier.emotions[int(classifier.probabilities_of(features[stored]).argmax())]
                answers.append(
                    Answer(key.cell, key.number, condition, clip.name, clip.speaker, clip.emotion, prediction)
                )
    return answers
