"""Each rule of the leak gate, with the leak planted that it is there for."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from ser.audio import AudioFacts
from ser.corpora.base import Clip
from ser.corpora.cremad import EMOTION_OF_CODE, parse
from ser.errors import UserError
from ser.experiment import trial as trial_module
from ser.experiment.experiment import Experiment, all_cells, default_experiment
from ser.experiment.trial import Trial
from ser.experiment.trial_data import TrialData
from ser.features.dataset import fit_normalisation, join_clips
from ser.splits.leaks import check_fitted, check_partition, check_predictions, check_unseen
from ser.splits.partition import Kind, Partition
from ser.splits.split import Split, find_selection_clips, format_selection, partition

SPEAKERS = [str(speaker) for speaker in range(1001, 1011)]


def clip(name: str) -> Clip:
    found = parse(name, Path(name))
    assert found is not None
    return found


CLIPS = [clip(f"{s}_{t}_{e}_XX") for s, t, e in product(SPEAKERS, ("DFA", "ITH", "IEO", "TAI"), EMOTION_OF_CODE)]
NAMES = [c.name for c in CLIPS]


def toy(kind: Kind = "speaker-dependent", **parts: tuple[int, ...]) -> Partition:
    return Partition("toy", kind, 0, **{"train": (0, 1), "validation": (2,), "test": (3,), **parts}, digest="")


FOUR = [clip(name) for name in ("1001_DFA_ANG_XX", "1002_IEO_ANG_XX", "1003_ITH_ANG_XX", "1004_TAI_ANG_XX")]


def test_four_clips_that_share_nothing_pass_every_rule() -> None:
    digests = {c.name: c.name for c in FOUR}
    check_partition(toy("speaker-and-sentence-independent"), FOUR, digests, [(FOUR[0].name, FOUR[1].name)])
    check_unseen(toy(), FOUR, {FOUR[2].name}, digests)
    check_fitted(toy(), FOUR, {"normalisation": (0, 1), "calibration": (2,)})


@pytest.mark.parametrize(
    ("kind", "same", "refused"),
    [
        ("speaker-independent", {"speaker": "1001"}, "speaker 1001 is in both train and test"),
        ("speaker-and-sentence-independent", {"speaker": "1001"}, "speaker 1001 is in both train and test"),
        ("sentence-independent", {"sentence": "DFA"}, "sentence DFA is in both train and test"),
        ("speaker-and-sentence-independent", {"sentence": "DFA"}, "sentence DFA is in both train and test"),
        ("speaker-independent", {"sentence": "DFA"}, None),
        ("sentence-independent", {"speaker": "1001"}, None),
        ("speaker-dependent", {"speaker": "1001", "sentence": "DFA"}, None),
    ],
)
def test_what_is_claimed_to_be_apart_is_refused_on_two_sides(kind: Kind, same: dict, refused: str | None) -> None:
    clips = [*FOUR[:3], replace(FOUR[3], **same)]
    if refused is None:
        check_partition(toy(kind), clips, None)
        return
    with pytest.raises(UserError, match=f"toy leaks: {refused}"):
        check_partition(toy(kind), clips, None)


def test_a_changed_duplicate_in_another_part_is_refused() -> None:
    with pytest.raises(
        UserError, match="toy leaks: 1001_DFA_ANG_XX in train and 1004_TAI_ANG_XX in test are the same recording"
    ):
        check_partition(toy(), FOUR, None, [(FOUR[0].name, FOUR[3].name)])
    check_partition(toy(), FOUR, None, [(FOUR[0].name, FOUR[1].name), (FOUR[0].name, "in no part")])


def test_partition_passes_duplicates_to_the_gate() -> None:
    cut = partition(CLIPS, Split())
    pair = (NAMES[cut.train[0]], NAMES[cut.validation[0]])
    with pytest.raises(UserError, match=r"assignment leaks: .* are the same recording"):
        partition(CLIPS, Split(), duplicates=[pair])


@pytest.mark.parametrize("split", [Split(name="speaker-5fold-present", fold=2), Split(seed=1), Split()])
def test_clips_that_selection_saw_are_no_test_clips(split: Split) -> None:
    searched = Split()
    after = replace(split, selection=format_selection(searched))
    seen = {NAMES[at] for at in partition(CLIPS, searched).validation}
    assert find_selection_clips(CLIPS, after) == seen
    before, cut = partition(CLIPS, split), partition(CLIPS, after)
    assert {NAMES[at] for at in cut.test} == {NAMES[at] for at in before.test} - seen
    assert (cut.train, cut.validation) == (before.train, before.validation)
    assert (cut.digest == before.digest) == (cut.test == before.test)


def test_a_fold_that_selection_saw_whole_is_refused() -> None:
    split = Split(name="speaker-5fold-present", fold=1, selection="speaker-5fold-present/0/0")
    with pytest.raises(UserError, match="selection on speaker-5fold-present/0/0 has seen all 48 test clips"):
        partition(CLIPS, split)


@pytest.mark.parametrize("text", ["assignment", "assignment/0", "assignment/a/0", "assignment/0/-1", "/0/0/0", ""])
def test_a_selection_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(
        UserError, match=r"split\.selection must be 'none' or name/fold/seed, as in assignment/0/0; got"
    ):
        partition(CLIPS, Split(selection=text))


def test_a_test_clip_that_selection_saw_is_refused() -> None:
    with pytest.raises(UserError, match="toy leaks: selection saw test clip 1004_TAI_ANG_XX"):
        check_unseen(toy(), FOUR, {FOUR[3].name}, None)


def test_so_are_its_bytes_and_its_recording_under_another_name() -> None:
    digests = {c.name: c.name for c in FOUR} | {FOUR[3].name: FOUR[2].name}
    with pytest.raises(UserError, match="selection saw test clip 1004_TAI_ANG_XX"):
        check_unseen(toy(), FOUR, {FOUR[2].name}, digests)
    with pytest.raises(UserError, match="selection saw test clip 1004_TAI_ANG_XX"):
        check_unseen(toy(), FOUR, {FOUR[2].name}, None, [(FOUR[2].name, FOUR[3].name)])


@pytest.mark.parametrize("what", ["normalisation", "calibration", "selection"])
def test_what_was_fitted_on_test_clips_is_refused(what: str) -> None:
    with pytest.raises(UserError, match=rf"toy leaks: {what} saw 1 test clips \(1004_TAI_ANG_XX\): fit it on training"):
        check_fitted(toy(), FOUR, {"other": (0, 1), what: (2, 3)})


def row(clip: str, part: str) -> dict[str, str]:
    return {"clip": clip, "part": part, "speaker": clip[:4]}


@pytest.mark.parametrize(
    ("split", "rows", "selected", "leak"),
    [
        ("assignment", [row("1001_A", "validation"), row("1001_A", "test")], set(), "clip 1001_A is in both"),
        ("evar", [row("1001_A", "validation"), row("1001_B", "test")], set(), "speaker 1001 is in both"),
        ("evar", [row("1001_A", "validation"), row("1002_B", "test")], {"1002_B"}, "selection saw test clip 1002_B"),
        ("assignment", [row("1001_A", "validation"), row("1001_B", "test")], {"1001_A"}, None),
        ("evar", [row("1001_A", "validation"), row("1002_B", "test")], {"1003_B"}, None),
    ],
)
def test_predictions_of_a_leak_are_not_reported(split: str, rows: list, selected: set, leak: str | None) -> None:
    if leak is None:
        check_predictions(split, rows, selected)
        return
    with pytest.raises(UserError, match=f"these predictions leak: {leak}.*: evaluate {split} again"):
        check_predictions(split, rows, selected)


@pytest.fixture
def small() -> tuple[Experiment, TrialData]:
    rng = np.random.default_rng(0)
    experiment = default_experiment(all_cells()["lenet5-2d"])
    rows = [rng.normal(size=(40, 64)).astype(np.float32) for _ in CLIPS]
    emotions = tuple(EMOTION_OF_CODE.values())
    facts = tuple(AudioFacts(name, 9, 0.5) for name in NAMES)
    data = TrialData(join_clips(rows), tuple(CLIPS), facts, emotions)
    return experiment.with_values({"training.max_epochs": 1}), data


def test_training_uses_the_votes_on_its_own_clips(small, monkeypatch) -> None:
    experiment, data = small
    # Nobody's votes are anybody else's: the number of the clip stands in them.
    votes = np.repeat(np.arange(len(CLIPS), dtype=np.float32)[:, None], len(data.emotions), axis=1)
    arguments = {}

    def spy(*args, **rest):
        arguments.update(rest)
        return fit(*args, **rest)

    fit = trial_module.fit  # type: ignore[attr-defined]
    monkeypatch.setattr(trial_module, "fit", spy)
    trial = Trial(experiment, replace(data, votes=votes))
    assert arguments["votes"][:, 0].tolist() == list(trial.partition.train)
    assert arguments["train"].clips.tolist() == list(trial.partition.train)


def test_a_normalisation_that_saw_test_clips_is_not_reported(small, monkeypatch, tmp_path: Path) -> None:
    experiment, data = small
    everything = np.arange(len(CLIPS))
    monkeypatch.setattr(
        trial_module, "fit_normalisation", lambda matrix, _, rows: fit_normalisation(matrix, everything, rows)
    )
    trial = Trial(experiment, data)
    assert len(list(trial.epochs())) == 1
    with pytest.raises(UserError, match=f"normalisation saw {len(trial.partition.test)} test clips"):
        trial.finish(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_epoch_chosen_by_test_clips_is_not_reported(small, monkeypatch, tmp_path: Path) -> None:
    experiment, data = small
    fit = trial_module.fit  # type: ignore[attr-defined]

    def peeking(*args, train, validation, **rest):
        peek = np.concatenate([validation.clips, np.asarray(partition(CLIPS, experiment.split).test[:2])])
        validation.__dict__.update(clips=peek, labels=data.labels[peek])
        return fit(*args, train=train, validation=validation, **rest)

    monkeypatch.setattr(trial_module, "fit", peeking)
    trial = Trial(experiment, data)
    assert len(list(trial.epochs())) == 1
    with pytest.raises(UserError, match="selection saw 2 test clips"):
        trial.finish(tmp_path)


def test_an_honest_trial_is_reported_with_its_split(small, tmp_path: Path) -> None:
    experiment, data = small
    torch.set_num_threads(1)
    trial = Trial(experiment, data)
    assert len(list(trial.epochs())) == 1
    assert trial.finish(tmp_path, keep_model=False)["split_digest"] == partition(CLIPS, experiment.split).digest
    assert {path.name for path in tmp_path.iterdir()} == {"test.json", "predictions.csv"}
    header, first, *_ = (tmp_path / "predictions.csv").read_text().splitlines()
    assert header == "clip,part,speaker,truth,prediction,anger,disgust,fear,happiness,neutral,sadness"
    assert first.startswith(
        ",".join((NAMES[trial.partition.validation[0]], "validation", NAMES[trial.partition.validation[0]][:4]))
    )
