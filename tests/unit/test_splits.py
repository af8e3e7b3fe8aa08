import json
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ser.corpora.base import Clip
from ser.corpora.cremad import EMOTION_OF_CODE, SPEAKERS, CremaD, parse
from ser.errors import UserError
from ser.settings.ranges import SettingError
from ser.splits.leaks import check_partition
from ser.splits.manifests import Lists, load_manifests
from ser.splits.partition import Partition
from ser.splits.split import Split, list_splits, partition

LISTED = sorted(name for name, manifest in load_manifests().items() if isinstance(manifest.speakers, Lists))
EVERY_LISTED_FOLD = [(name, fold) for name in LISTED for fold in range(load_manifests()[name].n_folds)]
EVERY_FOLD = [(name, fold) for name, manifest in load_manifests().items() for fold in range(manifest.n_folds)]
ALL_SENTENCES = ("DFA", "IEO", "IOM", "ITH", "ITS", "IWL", "IWW", "MTI", "TAI", "TIE", "TSI", "WSI")


def clip(name: str) -> Clip:
    found = parse(name, Path(name))
    assert found is not None
    return found


def corpus(actors: tuple[str, ...] = SPEAKERS, sentences: tuple[str, ...] = ("DFA", "TIE", "WSI")) -> list[Clip]:
    names = ("_".join([*parts, "XX"]) for parts in product(actors, sentences, EMOTION_OF_CODE))
    return [clip(name) for name in names]


def test_the_splits_are_found() -> None:
    assert list_splits() == [
        "assignment",
        "audeering-1.1.0",
        "evar",
        "nkululeko",
        "sentence-disjoint",
        "speaker-5fold",
        "speaker-5fold-present",
        "speaker-and-sentence-disjoint",
        "tfds-1.0.0",
    ]


def test_actor_lists_are_the_published_ones(shared_dir: Path) -> None:
    published = json.loads((shared_dir / "splits" / "cremad.json").read_text())
    assert sorted([*LISTED, "assignment"]) == sorted(published)
    for name in LISTED:
        manifest, facts = load_manifests()[name], published[name]
        if "test_folds" in facts:
            tests = facts["test_folds"]
            wanted = [(tests[(k + 1) % 5], tests[k]) for k in range(5)]
        else:
            wanted = [(facts["validation"], facts["test"])]
            assert sorted(manifest.members("speaker", corpus(), 0)["train"]) == [str(a) for a in facts["train"]]
        assert manifest.speakers.folds == tuple((actors(v), actors(t)) for v, t in wanted)
        assert manifest.excluded == frozenset(facts.get("excluded_clips", ()))


def actors(numbers: list[int]) -> frozenset[str]:
    return frozenset(str(number) for number in numbers)


@pytest.mark.parametrize(("name", "fold"), EVERY_LISTED_FOLD)
def test_every_actor_is_in_one_part(name: str, fold: int) -> None:
    parts = load_manifests()[name].members("speaker", corpus(), fold)
    assert sorted(actor for part in parts.values() for actor in part) == sorted(SPEAKERS)


@pytest.mark.parametrize(("name", "fold"), EVERY_LISTED_FOLD)
def test_a_speaker_split_follows_its_lists(name: str, fold: int) -> None:
    clips = corpus()
    cut = partition(clips, Split(name=name, fold=fold))
    assert (cut.name, cut.kind, cut.fold) == (name, "speaker-independent", fold)
    lists = load_manifests()[name].members("speaker", clips, fold)
    for part, positions in cut.parts.items():
        assert {clips[at].speaker for at in positions} == lists[part]


@pytest.mark.parametrize("name", ["speaker-5fold", "speaker-5fold-present"])
def test_over_five_folds_everyone_is_tested_once_and_validated_once(name: str) -> None:
    clips = corpus()
    cuts = [partition(clips, Split(name=name, fold=fold)) for fold in range(5)]
    assert sorted(at for cut in cuts for at in cut.test) == list(range(len(clips)))
    assert [cut.validation for cut in cuts] == [cut.test for cut in cuts[1:] + cuts[:1]]


def test_clips_that_a_split_excludes_are_in_no_part() -> None:
    clips = corpus()
    cut = partition(clips, Split(name="tfds-1.0.0"))
    used = {clips[at].name for part in cut.parts.values() for at in part}
    assert {c.name for c in clips} - used == {"1006_TIE_NEU_XX", "1013_WSI_DIS_XX"}


def test_assignment_has_its_shares_in_every_emotion() -> None:
    clips = corpus()
    cut = partition(clips, Split())
    assert (cut.name, cut.kind) == ("assignment", "speaker-dependent")
    # 273 clips of each emotion: 30 % are 81.9, 5 % of the other 191 are 9.55.
    sizes = {"train": 181, "validation": 10, "test": 82}
    for part, positions in cut.parts.items():
        assert Counter(clips[at].emotion for at in positions) == dict.fromkeys(CremaD.emotions, sizes[part])
    assert sorted(cut.train + cut.validation + cut.test) == list(range(len(clips)))


def test_assignment_of_the_shared_clips(shared_dir: Path) -> None:
    clips = CremaD().scan(shared_dir / "cremad").clips
    cut = partition(clips, Split())
    assert abs(len(cut.test) / len(clips) - 0.30) < 1e-3
    assert abs(len(cut.validation) / (len(cut.train) + len(cut.validation)) - 0.05) < 1e-3


@given(st.randoms(use_true_random=False), st.sampled_from(["assignment", "speaker-5fold"]))
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_clips_does_not_matter(random: object, name: str) -> None:
    clips = corpus(sentences=("DFA",))
    shuffled = list(clips)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = partition(clips, Split(name=name)), partition(shuffled, Split(name=name))
    assert one.digest == other.digest
    assert {clips[at] for at in one.test} == {shuffled[at] for at in other.test}
    assert list(other.test) == sorted(other.test)


def test_the_seed_draws_and_repeats() -> None:
    clips = corpus()
    digests = [partition(clips, Split(seed=seed)).digest for seed in (0, 0, 1, 2**31 - 1)]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_the_digest_tells_which_clip_is_where() -> None:
    clips = corpus()
    digests = {partition(clips, Split(name="speaker-5fold", fold=fold)).digest for fold in range(5)}
    digests.add(partition(clips[1:], Split(name="speaker-5fold")).digest)
    assert len(digests) == 6


def test_a_drawn_clip_stays_where_it_is_when_others_are_dropped() -> None:
    clips = corpus()
    before = partition(clips, Split())
    tested = {clips[at].name for at in before.test}
    fewer = [c for c in clips if c.name not in sorted(tested)[:3]]
    after = partition(fewer, Split())
    # Each dropped clip makes room for at most one other of its emotion.
    assert len({fewer[at].name for at in after.test} - tested) <= 3


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(SettingError, match="unknown split 'speaker5fold': did you mean 'speaker-5fold'"):
        partition(corpus(), Split(name="speaker5fold"))


@pytest.mark.parametrize("name", ["assignment", "audeering-1.1.0"])
def test_a_fold_that_the_split_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"split.fold must be below 1, the folds of {name}, got 3"):
        partition(corpus(), Split(name=name, fold=3))


def test_folds_beyond_the_fifth_are_refused() -> None:
    with pytest.raises(SettingError, match="fold must lie in"):
        Split(fold=5)


@pytest.mark.parametrize("name", LISTED)
def test_a_stranger_is_refused(name: str) -> None:
    stranger = replace(corpus()[0], speaker="Emma")
    with pytest.raises(
        UserError, match=f"{name} has lists of .*, got speaker Emma: use speaker-5fold-present or assignment"
    ):
        partition([*corpus(), stranger], Split(name=name))


def test_an_empty_part_is_refused_by_name() -> None:
    clips = corpus(actors=tuple(sorted(load_manifests()["audeering-1.1.0"].members("speaker", (), 0)["train"])))
    with pytest.raises(
        UserError,
        match=r"audeering-1.1.0 has no validation clip among the 1,008 clips found, its 17 validation actors "
        r"\(1049, 1053, 1054, …\) are missing: use speaker-5fold-present or assignment, or get the full corpus",
    ):
        partition(clips, Split(name="audeering-1.1.0"))


def test_the_shared_clips_have_no_test_part_in_audeering(shared_dir: Path) -> None:
    clips = CremaD().scan(shared_dir / "cremad").clips
    with pytest.raises(UserError, match=r"audeering-1\.1\.0 has no validation clip among the 4,573 clips"):
        partition(clips, Split(name="audeering-1.1.0"))


def test_an_empty_fold_does_not_advise_itself() -> None:
    with pytest.raises(UserError, match=r"18 test actors .* are missing: use speaker-5fold-present or assignment, or"):
        partition(corpus(actors=("1019", "1040")), Split(name="speaker-5fold", fold=0))


def test_too_few_clips_for_assignment_are_refused() -> None:
    with pytest.raises(UserError, match="assignment has no train clip among the 6 clips found, it needs at least 3"):
        partition(corpus(actors=("1001",), sentences=("DFA",)), Split())


def test_three_clips_of_an_emotion_are_enough_for_assignment() -> None:
    cut = partition(corpus(actors=("1001",)), Split())
    assert [len(part) for part in cut.parts.values()] == [6, 6, 6]


def three_parts(clips: list[Clip], **changed: Any) -> Partition:
    cut = Partition("toy", "speaker-independent", 0, (0,), (1,), (2,), "")
    assert len(clips) == 3
    return replace(cut, **changed)


THREE = [clip(f"{actor}_DFA_ANG_XX") for actor in ("1001", "1002", "1003")]


def test_the_gate_lets_a_clean_partition_pass() -> None:
    check_partition(three_parts(THREE), THREE, {c.name: c.speaker for c in THREE})


@pytest.mark.parametrize(("one", "other"), [("train", "validation"), ("train", "test"), ("validation", "test")])
def test_a_speaker_on_two_sides_is_refused(one: str, other: str) -> None:
    order = ("train", "validation", "test")
    clips = list(THREE)
    clips[order.index(other)] = replace(clips[order.index(one)], name="1001_TIE_ANG_XX")
    with pytest.raises(UserError, match=rf"toy leaks: speaker \d+ is in both {one} and {other}"):
        check_partition(three_parts(clips), clips, None)
    check_partition(three_parts(clips, kind="speaker-dependent"), clips, None)


def test_a_clip_on_two_sides_is_refused() -> None:
    with pytest.raises(UserError, match="toy leaks: clip 1001_DFA_ANG_XX is in both train and test"):
        check_partition(three_parts(THREE, test=(0, 2), kind="speaker-dependent"), THREE, None)


@pytest.mark.parametrize("kind", ["speaker-dependent", "speaker-independent"])
def test_the_same_file_on_two_sides_is_refused(kind: str) -> None:
    digests = {"1001_DFA_ANG_XX": "a", "1002_DFA_ANG_XX": "b", "1003_DFA_ANG_XX": "a"}
    with pytest.raises(UserError, match="toy leaks: 1001_DFA_ANG_XX in train and 1003_DFA_ANG_XX in test"):
        check_partition(three_parts(THREE, kind=kind), THREE, digests)


def test_partition_passes_digests_to_the_gate() -> None:
    clips = corpus()
    digests = {c.name: c.name for c in clips}
    partition(clips, Split(name="evar"), digests=digests)
    digests["1002_DFA_ANG_XX"] = digests["1001_DFA_ANG_XX"]
    with pytest.raises(UserError, match=r"evar leaks: .* are the same file"):
        partition(clips, Split(name="evar"), digests=digests)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_any_empty_part_is_refused(part: str) -> None:
    with pytest.raises(UserError, match=f"toy has no {part} clip among the 3 clips found"):
        check_partition(three_parts(THREE, **{part: ()}), THREE, None)
