"""The answers of networks in noise: which clips and talkers, and a file that a kill leaves usable."""

from collections import Counter
from pathlib import Path

import pytest

from ser.corpora.base import Clip
from ser.corpora.cremad import EMOTION_OF_CODE, parse
from ser.distributed.robustness_tasks import _decode, _read_sounds
from ser.errors import UserError
from ser.evaluation.perturbations import CONDITIONS, Condition
from ser.evaluation.robustness import (
    PerturbedPrediction,
    append_robustness,
    choose_clips,
    choose_talkers,
    count_confusions,
    find_complete_clips,
    read_robustness,
    write_robustness,
)


def clip(name: str) -> Clip:
    made = parse(name, name)
    assert made is not None
    return made


CLIPS = [
    clip(f"{speaker}_{sentence}_{code}_XX")
    for speaker in range(1001, 1011)
    for sentence in ("DFA", "IEO", "TIE")
    for code in EMOTION_OF_CODE
    if (sentence, code) != ("TIE", "SAD")
]
TRIALS = (("lenet5-1d", 0), ("sercnn-2d", 3))


def answers_to(*clips: Clip, prediction: str = "anger") -> list[PerturbedPrediction]:
    return [
        PerturbedPrediction(cell, trial, condition, each.name, each.speaker, each.emotion, prediction)
        for each in clips
        for condition in CONDITIONS
        for cell, trial in TRIALS
    ]


def test_a_choice_has_as_many_clips_of_each_emotion() -> None:
    counts = Counter(chosen.emotion for chosen in choose_clips(CLIPS, 62))
    assert sorted(counts.values()) == [10, 10, 10, 10, 11, 11]
    everything = choose_clips(CLIPS, 10_000)
    assert sorted(each.name for each in everything) == sorted(each.name for each in CLIPS)
    assert Counter(each.emotion for each in choose_clips(CLIPS, 150))["sadness"] == 20


def test_a_larger_choice_holds_the_smaller_one_and_order_does_not_matter() -> None:
    assert choose_clips(CLIPS, 100)[:31] == choose_clips(CLIPS[::-1], 31)


@pytest.mark.parametrize("n_clips", [0, -1])
def test_no_clips_are_refused(n_clips: int) -> None:
    with pytest.raises(UserError, match=f"must be at least 1, got {n_clips}"):
        choose_clips(CLIPS, n_clips)


def test_talkers_are_others_each_once_and_other_ones_beside_another_clip() -> None:
    beside = {each.name: choose_talkers(each, CLIPS) for each in CLIPS}
    for each in CLIPS:
        talkers = beside[each.name]
        assert len({talker.speaker for talker in talkers} | {each.speaker}) == len(talkers) + 1 == 7
        assert all(talker in CLIPS for talker in talkers)
    assert len({tuple(talkers) for talkers in map(tuple, beside.values())}) == len(CLIPS)
    assert choose_talkers(CLIPS[0], CLIPS[::-1]) == beside[CLIPS[0].name]


def test_where_few_others_speak_fewer_babble_and_nobody_alone() -> None:
    of_two = [each for each in CLIPS if each.speaker in ("1001", "1002")]
    assert [talker.speaker for talker in choose_talkers(of_two[0], of_two)] == ["1002"]
    alone = [each for each in CLIPS if each.speaker == "1001"]
    with pytest.raises(
        UserError, match="babble needs another speaker, and all training clips are of 1001: use more clips"
    ):
        choose_talkers(alone[0], alone)


def test_answers_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "robustness.csv"
    assert read_robustness(path) == []
    write_robustness(path, answers_to(CLIPS[0]))
    append_robustness(path, answers_to(CLIPS[1]))
    assert read_robustness(path) == answers_to(*CLIPS[:2])
    assert path.read_text().splitlines()[:3] == [
        "cell,trial,condition,snr_db,clip,speaker,truth,prediction",
        "lenet5-1d,0,clean,,1001_DFA_ANG_XX,1001,anger,anger",
        "sercnn-2d,3,clean,,1001_DFA_ANG_XX,1001,anger,anger",
    ]
    assert "sercnn-2d,3,babble,5,1001_DFA_ANG_XX,1001,anger,anger" in path.read_text()
    assert [file.name for file in tmp_path.iterdir()] == ["robustness.csv"]


def test_wherever_a_kill_cut_the_file_only_whole_clips_count(tmp_path: Path) -> None:
    path = tmp_path / "robustness.csv"
    write_robustness(path, answers_to(*CLIPS[:3]))
    content = path.read_bytes()
    size = len(content) // 3
    for cut in range(size, len(content), 37):
        path.write_bytes(content[:cut])
        answers = read_robustness(path)
        assert answers == answers_to(*CLIPS[:3])[: len(answers)]
        expected = {each.name for each in CLIPS[: len(answers) // len(answers_to(CLIPS[0]))]}
        assert find_complete_clips(answers, TRIALS) == expected


def test_answers_of_another_trial_do_not_make_a_clip_whole() -> None:
    assert find_complete_clips(answers_to(CLIPS[0]), [*TRIALS, ("vgg16-2d", 0)]) == set()
    assert find_complete_clips(answers_to(CLIPS[0]), TRIALS[:1]) == {CLIPS[0].name}


DAMAGED = ("lenet5-1d,0,clean,,x,1001,anger", "l,zero,clean,,x,1001,anger,anger", "l,0,white,7,x,1001,anger,anger")


@pytest.mark.parametrize("line", DAMAGED)
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "robustness.csv"
    write_robustness(path, answers_to(CLIPS[0])[:1])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(UserError, match=f"line 3 of {path} is damaged: delete the file"):
        read_robustness(path)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "robustness.csv").write_text("clip,part\n")
    with pytest.raises(UserError, match="must have the columns cell,trial,condition"):
        read_robustness(tmp_path / "robustness.csv")


def test_confusions_by_cell_and_condition() -> None:
    emotions = tuple(EMOTION_OF_CODE.values())
    by_cell = count_confusions(answers_to(*CLIPS, prediction="fear"), emotions)
    assert by_cell.keys() == {"lenet5-1d", "sercnn-2d"}
    for by_condition in by_cell.values():
        assert by_condition.keys() == set(CONDITIONS)
        assert by_condition[Condition("babble", 0)][:, emotions.index("fear")].tolist() == [30, 30, 30, 30, 30, 20]
        assert by_condition[Condition("babble", 0)].sum() == len(CLIPS)


def test_a_clip_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    gone, sound = tmp_path / "1001_DFA_ANG_XX.wav", b"no sound"
    with pytest.raises(UserError, match=rf"{gone} cannot be read \(No such file or directory\): check the file"):
        _read_sounds(Clip("1001_DFA_ANG_XX", str(gone), "1001", "DFA", "anger", "XX"))
    with pytest.raises(UserError, match=rf"{gone} cannot be used \(.*\): put back the file"):
        _decode(str(gone), sound)
