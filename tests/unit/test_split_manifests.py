"""Our own splits: folds over the speakers that are there, sentences apart, both; and versions of all."""

from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from ser.corpora.cremad import EMOTION_OF_CODE, SENTENCES, SPEAKERS, CremaD, parse
from ser.errors import UserError
from ser.splits.manifests import load_manifests
from ser.splits.partition import CLAIMS, digest_parts
from ser.splits.split import Split, describe_missing, partition

PRESENT, SENTENCE, BOTH = "speaker-5fold-present", "sentence-disjoint", "speaker-and-sentence-disjoint"
EVERY_FOLD = [(name, fold) for name, manifest in load_manifests().items() for fold in range(manifest.n_folds)]
NAMES = [f"{s}_{t}_{e}_XX" for s in SPEAKERS for t in SENTENCES for e in EMOTION_OF_CODE]
CLIPS = [clip for name in NAMES if (clip := parse(name, Path(name)))]

# Which version puts which clips where: a change of lists or rules without a new version shows here.
DIGESTS = {
    "assignment": (1, "aabf2d2a2daa", "21fadc5b33b4"),
    "audeering-1.1.0": (1, "b00fdb2629e8", "28cfe4ba9371"),
    "evar": (1, "3c3047c8c2fd", "196aa6f5b22b"),
    "nkululeko": (1, "de535bcd4564", "c0f9720c881f"),
    "sentence-disjoint": (1, "54ac8f53c78c", "941c74aed7e7"),
    "speaker-5fold": (1, "bc6098584370", "457e79874aed"),
    "speaker-5fold-present": (1, "1a0a4573e0b2", "30bf16b101b5"),
    "speaker-and-sentence-disjoint": (1, "38546e06cc98", "a354a8d07965"),
    "tfds-1.0.0": (1, "f924db43a7e9", "fa6068d24567"),
}


def of_speakers(*speakers: str) -> list:
    return [clip for clip in CLIPS if clip.speaker in speakers]


@pytest.mark.parametrize("name", sorted(load_manifests()))
def test_a_version_puts_the_same_clips_in_the_same_parts_for_ever(name: str) -> None:
    manifest = load_manifests()[name]
    assert str(manifest) == f"{name} version {manifest.version} ({manifest.digest[:12]})"
    assert (manifest.version, manifest.digest[:12], partition(CLIPS, Split(name=name)).digest[:12]) == DIGESTS[name]


def test_digests_of_manifests_differ() -> None:
    assert len({manifest.digest for manifest in load_manifests().values()}) == len(load_manifests()) == 9


@pytest.mark.parametrize(("name", "fold"), EVERY_FOLD)
def test_no_two_parts_share_what_the_split_claims(name: str, fold: int) -> None:
    cut = partition(CLIPS, Split(name=name, fold=fold))
    assert cut.kind == load_manifests()[name].kind
    for claim in ("speaker", "sentence"):
        parts = [{getattr(CLIPS[at], claim) for at in part} for part in cut.parts.values()]
        shared = [one & other for one, other in combinations(parts, 2)]
        assert not any(shared) if claim in CLAIMS[cut.kind] else any(shared)


def test_present_speakers_are_dealt_in_turn() -> None:
    clips = of_speakers("1001", "1010", "1020", "1044", "1050", "1060", "1091")
    cut = partition(clips, Split(name=PRESENT, fold=1))
    assert {clips[at].speaker for at in cut.test} == {"1010", "1091"}
    assert {clips[at].speaker for at in cut.validation} == {"1020"}


def test_folds_over_the_shared_actors_are_balanced(shared_dir: Path) -> None:
    clips = CremaD().scan(shared_dir / "cremad").clips
    tests = [partition(clips, Split(name=PRESENT, fold=fold)).test for fold in range(5)]
    speakers = [len({clips[at].speaker for at in test}) for test in tests]
    assert max(speakers) - min(speakers) <= 1
    for test in tests:
        assert len(test) == pytest.approx(len(clips) / 5, rel=0.08)
        shares = Counter(clips[at].emotion for at in test)
        for emotion in CremaD.emotions:
            share = sum(clip.emotion == emotion for clip in clips) / len(clips)
            assert shares[emotion] / len(test) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("name", [PRESENT, BOTH])
def test_fewer_speakers_than_folds_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"{name} needs at least 5 speakers, found 4: use assignment"):
        partition(of_speakers(*SPEAKERS[:4]), Split(name=name))


def test_five_speakers_of_any_corpus_are_enough() -> None:
    clips = of_speakers(*SPEAKERS[:5])
    for fold in range(5):
        cut = partition(clips, Split(name=PRESENT, fold=fold))
        assert [len({clips[at].speaker for at in part}) for part in cut.parts.values()] == [3, 1, 1]


def test_a_missing_clip_moves_no_speaker() -> None:
    whole, fewer = CLIPS, CLIPS[1:]
    for fold in range(5):
        before, after = (partition(clips, Split(name=PRESENT, fold=fold)) for clips in (whole, fewer))
        assert {fewer[at].name for at in after.test} == {whole[at].name for at in before.test} - {CLIPS[0].name}


def test_sentences_of_the_shared_clips_make_sensible_parts(shared_dir: Path) -> None:
    clips = CremaD().scan(shared_dir / "cremad").clips
    cut = partition(clips, Split(name=SENTENCE))
    shares = {part: len(positions) / len(clips) for part, positions in cut.parts.items()}
    assert shares == pytest.approx({"train": 0.63, "validation": 0.15, "test": 0.22}, abs=0.01)
    assert {clips[at].intensity for at in (*cut.validation, *cut.test)} == {"XX"}


@pytest.mark.parametrize("fold", range(5))
def test_apart_in_both_clips_of_mixed_sides_are_in_no_part(fold: int) -> None:
    cut = partition(CLIPS, Split(name=BOTH, fold=fold))
    speakers = partition(CLIPS, Split(name=PRESENT, fold=fold))
    sentences = partition(CLIPS, Split(name=SENTENCE))
    for part, positions in cut.parts.items():
        assert set(positions) == set(speakers.parts[part]) & set(sentences.parts[part])
    assert sum(map(len, cut.parts.values())) < len(CLIPS)


def test_sentences_that_are_missing_are_named() -> None:
    clips = [clip for clip in CLIPS if clip.sentence in ("IEO", "IOM", "ITH")]
    with pytest.raises(UserError, match=r"has no test clip .* its 3 test sentences \(DFA, TAI, TSI\) are missing"):
        partition(clips, Split(name=SENTENCE))


def test_what_the_lists_name_and_the_corpus_lacks_is_told() -> None:
    assert (
        describe_missing(CLIPS, Split(name="evar"))
        == describe_missing(CLIPS, Split())
        == describe_missing(CLIPS, Split(name=BOTH))
        == ""
    )
    clips = [clip for clip in of_speakers(*SPEAKERS[:30]) if clip.sentence != "TSI"]
    assert describe_missing(clips, Split(name="speaker-5fold")) == (
        "0 of 55 train, 12 of 18 validation, 18 of 18 test speakers are there"
    )
    assert (
        describe_missing(clips, Split(name=BOTH)) == "7 of 7 train, 2 of 2 validation, 2 of 3 test sentences are there"
    )
    assert describe_missing(clips, Split(name=PRESENT)) == ""


def test_the_digest_of_parts_is_of_names_alone() -> None:
    assert digest_parts({"train": (0,), "validation": (1,), "test": (2,)}, CLIPS[:3]) == digest_parts(
        {"train": (2,), "validation": (1,), "test": (0,)}, CLIPS[2::-1]
    )
