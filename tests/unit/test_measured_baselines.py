"""Listeners and speakers of a sweep, from tables beside its corpus; without Ray, as the SVM is there already."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ser.corpora.base import CorpusChoice, CorpusError
from ser.corpora.cremad import EMOTION_OF_CODE, parse
from ser.corpora.cremad_tables import DEMOGRAPHICS, VOTES
from ser.distributed.baseline_tasks import list_compared_splits, measure_baselines, remove_baselines
from ser.evaluation.baselines import HUMAN_VOTE, MAJORITY, MFCC_SVM, baseline_path
from ser.evaluation.predictions import read_predictions
from ser.experiment.preparation import PreparedCorpus
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore
from ser.report.slices import SPEAKERS_FILE
from ser.splits.split import Split
from ser.sweep.final_evaluation import PlannedTraining
from ser.sweep.plan import Plan

NAMES = [
    f"{speaker}_{sentence}_{code}_XX"
    for speaker in (1001, 1002, 1003)
    for sentence in ("DFA", "IEO", "TIE", "TSI")
    for code in EMOTION_OF_CODE
]
SPLIT = Split()


@pytest.fixture
def prepared(tmp_path: Path) -> PreparedCorpus:
    (tmp_path / "corpus").mkdir()
    clips = tuple(clip for name in NAMES if (clip := parse(name, name)) is not None)
    return PreparedCorpus(
        choice=CorpusChoice(),
        folder=str(tmp_path / "corpus"),
        clips=clips,
        digests=tuple(NAMES),
        duplicates=(),
        store=FeatureStore(tmp_path / "features"),
        pipeline=Pipeline(),
    )


@pytest.fixture
def sweep_dir(tmp_path: Path) -> Path:
    path = baseline_path(tmp_path / "sweep", MFCC_SVM, SPLIT)
    path.parent.mkdir(parents=True)
    path.write_text("measured before")
    return tmp_path / "sweep"


def give_votes(prepared: PreparedCorpus, names: list[str] = NAMES) -> None:
    """Anger is heard, disgust is taken for anger as often as for disgust, all others pass for neutral."""
    votes = {"ANG": "A", "DIS": "A:D"}
    lines = [f"{name},{votes.get(name.split('_')[2], 'N')}" for name in names]
    Path(prepared.folder, VOTES).write_text("\n".join(["FileName,VoiceVote", *lines]))


def give_actors(prepared: PreparedCorpus, *lines: str) -> None:
    Path(prepared.folder, DEMOGRAPHICS).write_text("\n".join(["ActorID,Age,Sex", *lines]))


def measured(sweep_dir: Path, prepared: PreparedCorpus) -> str:
    console = Console(record=True, width=250)
    measure_baselines(sweep_dir, prepared, [SPLIT], console)
    assert baseline_path(sweep_dir, MFCC_SVM, SPLIT).read_text() == "measured before"
    return console.export_text()


def test_listeners_are_heard_on_the_clips_of_the_split(prepared: PreparedCorpus, sweep_dir: Path) -> None:
    give_votes(prepared)
    give_actors(prepared, "1001,51,Male", "1002,21,Female", "1003,62,Male", "1004,30,Male")
    assert measured(sweep_dir, prepared) == ""
    heard = read_predictions(baseline_path(sweep_dir, HUMAN_VOTE, SPLIT), part="test")
    parts = prepared.partition(SPLIT)
    assert sorted(heard.clips) == sorted(NAMES[at] for at in parts.test)
    recall = {emotion: np.mean(heard.prediction[heard.truth == at] == at) for at, emotion in enumerate(heard.emotions)}
    assert (recall["anger"], recall["neutral"], recall["fear"]) == (1, 1, 0)
    disgust = heard.probabilities[heard.truth == 1]
    np.testing.assert_array_equal(disgust, np.tile([0.5, 0.5, 0, 0, 0, 0], (len(disgust), 1)))
    with (sweep_dir / SPEAKERS_FILE).open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["speaker", "sex", "age", "age_band"],
            ["1001", "male", "51", "45-59"],
            ["1002", "female", "21", "20-29"],
            ["1003", "male", "62", "60+"],
        ]


def test_without_tables_it_is_said_where_they_are_and_chance_is_measured(
    prepared: PreparedCorpus, sweep_dir: Path
) -> None:
    lines = measured(sweep_dir, prepared).splitlines()
    assert [line.split(" is not in")[0] for line in lines] == [VOTES, DEMOGRAPHICS]
    assert not baseline_path(sweep_dir, HUMAN_VOTE, SPLIT).exists()
    assert len(read_predictions(baseline_path(sweep_dir, MAJORITY, SPLIT), part="test")) == len(
        prepared.partition(SPLIT).test
    )


def test_made_up_clips_have_no_listeners_though_they_bear_names_of_real_ones(
    prepared: PreparedCorpus, sweep_dir: Path
) -> None:
    give_votes(prepared)
    assert measured(sweep_dir, replace(prepared, choice=CorpusChoice(name="synthetic"))) == ""
    assert not baseline_path(sweep_dir, HUMAN_VOTE, SPLIT).exists()


def test_a_table_that_lacks_a_clip_or_a_speaker_is_refused(prepared: PreparedCorpus, sweep_dir: Path) -> None:
    give_votes(prepared, NAMES[1:])
    with pytest.raises(CorpusError, match=f"{VOTES} has no row for {NAMES[0]}"):
        measured(sweep_dir, prepared)
    give_votes(prepared)
    give_actors(prepared, "1001,51,Male", "1002,21,Female")
    with pytest.raises(CorpusError, match=f"{DEMOGRAPHICS} has no row for 1003"):
        measured(sweep_dir, prepared)


def test_the_compared_splits_are_those_of_search_and_finals_each_once() -> None:
    plan = Plan(cells=("lenet5-1d",))
    folds = [Split(name="speaker-5fold", fold=fold, selection="assignment/0/0") for fold in (0, 1)]
    finals = [PlannedTraining(fold, seed) for seed in (0, 1, 2) for fold in folds]
    assert list_compared_splits(plan, finals) == [Split(), *folds]
    assert list_compared_splits(plan, []) == [Split()]


def test_a_class_without_training_clips_costs_the_machine_alone(prepared: PreparedCorpus, sweep_dir: Path) -> None:
    baseline_path(sweep_dir, MFCC_SVM, SPLIT).unlink()
    angry = tuple(clip for clip in prepared.clips if clip.emotion in ("anger", "fear"))
    fewer = replace(prepared, clips=angry, digests=tuple(clip.name for clip in angry))
    console = Console(record=True, width=250)
    measure_baselines(sweep_dir, fewer, [SPLIT], console)
    assert "MFCC + SVM is omitted: a class has no training clip in assignment fold 0" in console.export_text()
    assert not baseline_path(sweep_dir, MFCC_SVM, SPLIT).exists()
    assert baseline_path(sweep_dir, MAJORITY, SPLIT).exists()


def test_a_new_sweep_forgets_what_a_start_that_came_to_nothing_has_left(
    prepared: PreparedCorpus, sweep_dir: Path
) -> None:
    give_actors(prepared, "1001,51,Male", "1002,21,Female", "1003,62,Male")
    measured(sweep_dir, prepared)
    remove_baselines(sweep_dir)
    assert not list(sweep_dir.iterdir())
    remove_baselines(sweep_dir)
