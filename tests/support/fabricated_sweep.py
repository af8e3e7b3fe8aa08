"""A sweep that never ran: a journal, predictions and baselines as real ones leave them, of made-up answers.

Ten speakers of CREMA-D say twelve clips each; three networks answer, the better the later their name. Search on
`assignment`, final evaluation with two seeds on `assignment` and on the five folds of `speaker-5fold-present`.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser.corpora.base import Clip
from ser.corpora.cremad import EMOTION_OF_CODE, CremaD
from ser.evaluation.baselines import HUMAN_VOTE, MAJORITY, MFCC_SVM, baseline_path
from ser.evaluation.predictions_file import PartPredictions, write_predictions
from ser.experiment.experiment import Cell, default_experiment
from ser.settings.ranges import Value
from ser.splits.split import Split
from ser.sweep.journal import FINAL, SEARCH, Asked, Closed, Ended, Journal, Reported, Started

CELLS = {"lenet5-1d": 0.45, "lenet5-2d": 0.5, "sercnn-2d": 0.85}
BASELINES = {MAJORITY: 0.0, MFCC_SVM: 0.6, HUMAN_VOTE: 0.7}
SPEAKERS = tuple(str(1001 + at) for at in range(10))
SEEDS, FOLDS = (0, 1), range(5)
EMOTIONS = CremaD.emotions
NEW_VOICES = "speaker-5fold-present"
PASSWORD = "s3cret"
TRACKER = f"postgresql://ser:{PASSWORD}@tracker/runs"


@dataclass(frozen=True)
class Evaluated:
    """Where the sweep is: its folder, its journal in it, and the corpus."""

    folder: Path
    corpus_dir: Path

    @property
    def journal(self) -> Path:
        return self.folder / "journal.jsonl"


def clips_in(corpus_dir: Path) -> tuple[Clip, ...]:
    codes = list(EMOTION_OF_CODE) * 2
    names = [
        f"{speaker}_{('IEO', 'DFA')[at // 6]}_{code}_{('LO', 'HI', 'XX')[at % 3]}"
        for speaker in SPEAKERS
        for at, code in enumerate(codes)
    ]
    return tuple(
        Clip(name, str(corpus_dir / f"{name}.wav"), name[:4], name[5:8], EMOTION_OF_CODE[name[9:12]], name[13:])
        for name in names
    )


def evaluated_sweep(folder: Path, *, finals: bool = True, baselines: bool = True) -> Evaluated:
    """Write the sweep below `folder`."""
    sweep = Evaluated(folder / ".ser" / "sweeps" / "made-up", folder / "corpus")
    sweep.corpus_dir.mkdir()
    clips = clips_in(sweep.corpus_dir)
    for clip in clips:
        Path(clip.location).touch()
    with closing(Journal(sweep.journal)) as journal:
        journal.append(Started("made-up", plan(), facts(sweep, clips)))
        for cell in CELLS:
            for number in range(8):
                _search_trial(journal, sweep, clips, cell, number)
            for number, (split, seed) in enumerate(ways() if finals else (), 8):
                _trial(journal, sweep, clips, cell, number, split=split, seed=seed, stage=FINAL, skill=CELLS[cell])
        journal.append(Closed("finished"))
    if baselines:
        _baselines(sweep, clips)
        rows = (f"{name},{'male' if int(name) % 2 else 'female'},30,{_age_band(name)}" for name in SPEAKERS)
        (sweep.folder / "speakers.csv").write_text("\n".join(["speaker,sex,age,age_band", *rows, ""]))
    return sweep


def ways() -> Iterator[tuple[Split, int]]:
    """The trainings of the final evaluation of one cell."""
    for seed in SEEDS:
        yield Split(seed=seed), seed
        yield from ((Split(name=NEW_VOICES, fold=fold), seed) for fold in FOLDS)


def plan() -> dict[str, object]:
    return {
        "corpus": "cremad", "split": "assignment", "cells": list(CELLS), "trials_per_cell": 8, "max_epochs": 4,
        "grace_epochs": 2, "reduction": 3, "search": "per-cell", "seed": 0,
    }  # fmt: skip


def facts(sweep: Evaluated, clips: Sequence[Clip]) -> dict[str, object]:
    return {
        "corpus": "cremad", "corpus_dir": str(sweep.corpus_dir), "corpus_digest": "c0ffee", "split_digest": "facade",
        "n_clips": len(clips), "n_speakers": len(SPEAKERS), "n_train": 80, "n_validation": 4, "n_test": 36,
        "emotions": list(EMOTIONS), "sweep_id": "0123",
        "ser.command": f"python tune/run_sweep.py --name made-up --tracking-uri {TRACKER}",
        "ser.git_commit": "abc1234", "tracking_uri": TRACKER, "versions": {"torch": "2.13.0"},
    }  # fmt: skip


def tested(split: Split, clips: Sequence[Clip]) -> list[int]:
    """Positions of the test clips: two speakers a fold, or a third of the clips by chance."""
    if split.name == NEW_VOICES:
        own = SPEAKERS[2 * split.fold : 2 * split.fold + 2]
        return [at for at, clip in enumerate(clips) if clip.speaker in own]
    return sorted(np.random.default_rng(split.seed).permutation(len(clips))[: len(clips) // 3].tolist())


def answered(clips: Sequence[Clip], positions: Sequence[int], *, skill: float, seed: int) -> PartPredictions:
    """Answers that are right as often as `skill` says, a little oftener of later speakers."""
    rng = np.random.default_rng(seed)
    truth = np.array([EMOTIONS.index(clips[at].emotion) for at in positions])
    ease = skill + np.array([0.02 * (SPEAKERS.index(clips[at].speaker) - 5) for at in positions])
    guess = rng.integers(0, len(EMOTIONS), len(positions)) if skill else np.zeros(len(positions), dtype=np.int64)
    labels = np.where(rng.random(len(positions)) < ease, truth, guess) if skill else guess
    shares = np.full((len(positions), len(EMOTIONS)), 0.1)
    shares[np.arange(len(positions)), labels] = 0.5
    return PartPredictions(np.array(positions), labels, shares)


def _search_trial(journal: Journal, sweep: Evaluated, clips: Sequence[Clip], cell: str, number: int) -> None:
    """Trials whose learning rate alone decides how good they are; number 3 is best."""
    skill = CELLS[cell] - 0.05 * abs(number - 3)
    _trial(journal, sweep, clips, cell, number, split=Split(), seed=0, stage=SEARCH, skill=skill, lr=5e-5 * 2**number)


def _trial(
    journal: Journal, sweep: Evaluated, clips: Sequence[Clip], cell: str, number: int, *, split: Split, seed: int,
    stage: str, skill: float, lr: float = 1e-3,
) -> None:  # fmt: skip
    architecture, dimensions = cell.rsplit("-", 1)
    searched: dict[str, Value] = {"training.lr": lr, "training.weight_decay": 10.0 ** -(1 + number % 3)}
    changed: dict[str, Value] = {
        "split.name": split.name, "split.fold": split.fold, "split.seed": split.seed, "training.seed": seed, **searched,
    }  # fmt: skip
    values = default_experiment(Cell(architecture=architecture, dimensions=int(dimensions[0]))).with_values(changed)
    journal.append(Asked(cell, number, values.flat(), searched, stage=stage))
    for epoch in (1, 2, 3):
        metrics = {"val_uar": skill * epoch / 3, "val_loss": 2 - skill * epoch / 3}
        journal.append(Reported(cell, number, epoch, metrics, [[1, 0], [0, 1]], last=epoch == 3))
    if stage == SEARCH and number == 7:
        journal.append(Ended(cell, number, "pruned"))
        return
    bundle = sweep.folder / "trials" / f"{cell}-{number}"
    given = {"test": answered(clips, tested(split, clips), skill=skill, seed=1000 * list(CELLS).index(cell) + number)}
    write_predictions(bundle / "predictions.csv", given, clips=clips, emotions=EMOTIONS)
    figures = {
        "confusion": [[1, 0], [0, 1]], "uar": skill, "accuracy": skill, "macro_f1": skill,
        "n_parameters": 1000 * len(cell), "train_seconds": 10.0 + number,
    }  # fmt: skip
    journal.append(Ended(cell, number, "completed", bundle=str(bundle), test=figures))


def _age_band(speaker: str) -> str:
    return "20-29" if SPEAKERS.index(speaker) < 5 else "30-44"


def _baselines(sweep: Evaluated, clips: Sequence[Clip]) -> None:
    for name, skill in BASELINES.items():
        for split in {Split(), *(split for split, _ in ways())}:
            given = {"test": answered(clips, tested(split, clips), skill=skill, seed=split.fold)}
            write_predictions(baseline_path(sweep.folder, name, split), given, clips=clips, emotions=EMOTIONS)
