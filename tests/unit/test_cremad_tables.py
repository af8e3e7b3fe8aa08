"""The published tables of CREMA-D: strict, where they may lie, and the figures that they give."""

from collections import Counter
from pathlib import Path

import pytest

from ser.corpora.base import Clip, CorpusChoice, CorpusError
from ser.corpora.cremad import EMOTION_OF_CODE, CremaD
from ser.corpora.cremad_tables import (
    AGE_BANDS,
    DEMOGRAPHICS,
    VOTES,
    Actor,
    Vote,
    describe_missing_table,
    find_table,
    read_actors,
    read_vote_shares,
    read_votes,
)


def table(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def clips(*names: str) -> list[Clip]:
    return [Clip(name, f"{name}.wav", name[:4], "IEO", "anger", "XX") for name in names]


def test_votes_become_probabilities_in_the_order_of_the_clips(tmp_path: Path) -> None:
    table(tmp_path / VOTES, "FileName,VoiceVote", "1001_IEO_NEU_XX,N", "1001_IEO_ANG_MD,A:D")
    shares = read_vote_shares(CorpusChoice(name="cremad"), tmp_path, clips("1001_IEO_ANG_MD", "1001_IEO_NEU_XX"))
    rows = [dict(zip(CremaD.emotions, row, strict=True)) for row in shares.tolist()]
    nothing = dict.fromkeys(CremaD.emotions, 0.0)
    assert rows == [{**nothing, "anger": 0.5, "disgust": 0.5}, {**nothing, "neutral": 1.0}]


def test_clips_that_nobody_voted_on_are_refused(tmp_path: Path) -> None:
    cremad = CorpusChoice(name="cremad")
    with pytest.raises(CorpusError, match=r"needs listeners' votes, which synthetic does not have: set it to 0"):
        read_vote_shares(CorpusChoice(name="synthetic"), tmp_path, [])
    with pytest.raises(CorpusError, match=r"needs listeners' votes, and summaryTable.csv is not in or beside"):
        read_vote_shares(cremad, tmp_path / "corpus", [])
    path = table(tmp_path / VOTES, "FileName,VoiceVote", "1001_IEO_NEU_XX,N")
    with pytest.raises(CorpusError, match=f"and {path.resolve()} does not contain 1001_IEO_ANG_MD"):
        read_vote_shares(cremad, tmp_path, clips("1001_IEO_ANG_MD"))


@pytest.mark.parametrize(
    "place", ["corpus/summaryTable.csv", "corpus/processedResults/summaryTable.csv", "summaryTable.csv"]
)
def test_a_table_is_found_in_the_corpus_folder_and_beside_it(tmp_path: Path, place: str) -> None:
    (tmp_path / "corpus").mkdir()
    assert find_table(VOTES, tmp_path / "corpus") is None
    path = table(tmp_path / place, "")
    assert find_table(VOTES, tmp_path / "corpus") == str(path.resolve())


def test_the_folder_of_the_clips_in_a_clone_has_its_tables_beside_it(tmp_path: Path) -> None:
    (tmp_path / "AudioWAV").mkdir()
    votes, actors = table(tmp_path / "processedResults" / VOTES, ""), table(tmp_path / DEMOGRAPHICS, "")
    for folder in (tmp_path, tmp_path / "AudioWAV"):
        assert find_table(VOTES, folder) == str(votes.resolve())
        assert find_table(DEMOGRAPHICS, folder) == str(actors.resolve())


def test_the_error_for_a_missing_table_says_where_to_get_it() -> None:
    assert str(describe_missing_table(VOTES)).startswith(
        "summaryTable.csv is not in or beside the corpus folder: --download"
    )


AT_THE_EDGES = {20: "20-29", 29: "20-29", 30: "30-44", 44: "30-44", 45: "45-59", 59: "45-59", 60: "60+", 74: "60+"}


@pytest.mark.parametrize(("age", "band"), AT_THE_EDGES.items())
def test_bands_of_age(age: int, band: str) -> None:
    assert Actor("male", age).age_band == band


def test_a_tie_is_shared_and_settled_by_a_fair_lot() -> None:
    vote = Vote(("anger", "disgust", "neutral"))
    assert vote.shares() == dict.fromkeys(vote.emotions, 1 / 3)
    settled = Counter(vote.break_tie(f"clip {number}") for number in range(3000))
    assert settled.keys() == set(vote.emotions)
    assert all(900 < n < 1100 for n in settled.values())
    assert vote.break_tie("clip 1") == Vote(tuple(reversed(vote.emotions))).break_tie("clip 1")
    assert Vote(("fear",)).break_tie("x") == "fear"


def test_votes_of_the_sound_alone_are_read(tmp_path: Path) -> None:
    path = table(
        tmp_path / VOTES,
        '"","FileName","VoiceVote","VoiceLevel","FaceVote"',
        '"1","1001_IEO_NEU_XX","N","69.1","H"',
        '"9","1001_IEO_ANG_MD","A:D","37.2:58.6","A"',
    )
    assert read_votes(path) == {"1001_IEO_NEU_XX": Vote(("neutral",)), "1001_IEO_ANG_MD": Vote(("anger", "disgust"))}


@pytest.mark.parametrize("vote", ["X", "", "A:", "AD", "A:A", "a"])
def test_a_vote_that_cannot_be_right_is_refused(tmp_path: Path, vote: str) -> None:
    path = table(tmp_path / VOTES, "FileName,VoiceVote", "1001_IEO_NEU_XX,N", f"1001_IEO_HAP_LO,{vote}")
    with pytest.raises(CorpusError, match=f"line 3 of {path} must have a VoiceVote of A, D, F, H, N, S joined by ':'"):
        read_votes(path)


@pytest.mark.parametrize("line", ["1001,51,male", "1001,51,", "1001,fifty,Male", "1001,19,Male", "1001,-1,Male"])
def test_an_actor_that_cannot_be_right_is_refused(tmp_path: Path, line: str) -> None:
    path = table(tmp_path / DEMOGRAPHICS, "ActorID,Age,Sex", line)
    with pytest.raises(CorpusError, match=f"line 2 of {path} must have sex Male or Female and age 20 or more"):
        read_actors(path)


def test_lines_that_come_twice_or_are_cut_off_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="each actor once, got 1001 again"):
        read_actors(table(tmp_path / DEMOGRAPHICS, "ActorID,Age,Sex", "1001,51,Male", "1001,51,Male"))
    with pytest.raises(CorpusError, match="each clip once, got 1001_IEO_NEU_XX again"):
        read_votes(table(tmp_path / VOTES, "FileName,VoiceVote", "1001_IEO_NEU_XX,N", "1001_IEO_NEU_XX,N"))
    with pytest.raises(CorpusError, match=r"line 2 of .* must have all of ActorID, Age, Sex"):
        read_actors(table(tmp_path / DEMOGRAPHICS, "ActorID,Age,Sex", "1001,51"))


def test_another_table_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / VOTES, "version https://git-lfs.github.com/spec/v1")
    with pytest.raises(CorpusError, match="must have the columns FileName, VoiceVote"):
        read_votes(path)
    path.write_bytes(b"FileName,VoiceVote\n\xff\xfe")
    with pytest.raises(CorpusError, match="cannot be read as a table"):
        read_votes(path)


def accuracy_and_uar(votes: dict[str, Vote]) -> tuple[float, float]:
    """Of the votes against what the actors were asked for, ties shared."""
    right: dict[str, list[float]] = {}
    for name, vote in votes.items():
        asked = EMOTION_OF_CODE[name.split("_")[2]]
        right.setdefault(asked, []).append(vote.shares().get(asked, 0.0))
    recalls = [sum(shares) / len(shares) for shares in right.values()]
    return sum(map(sum, right.values())) / len(votes), sum(recalls) / len(recalls)


def test_the_published_votes_and_what_they_are_worth(shared_dir: Path) -> None:
    path = find_table(VOTES, shared_dir / "cremad")
    assert path is not None
    votes = read_votes(path)
    assert len(votes) == CremaD.n_published_clips
    assert accuracy_and_uar(votes) == pytest.approx((0.4462, 0.4587), abs=5e-5)
    here = {clip.name for clip in CremaD().scan(shared_dir / "cremad").clips}
    assert accuracy_and_uar({name: vote for name, vote in votes.items() if name in here}) == pytest.approx(
        (0.4479, 0.4605), abs=5e-5
    )
    settled = [vote.break_tie(name) == EMOTION_OF_CODE[name.split("_")[2]] for name, vote in votes.items()]
    assert sum(settled) / len(settled) == pytest.approx(0.4462, abs=0.005)


def test_the_published_actors(shared_dir: Path) -> None:
    path = find_table(DEMOGRAPHICS, shared_dir / "cremad")
    assert path is not None
    actors = read_actors(path)
    assert len(actors) == CremaD.n_published_speakers
    assert Counter(actor.sex for actor in actors.values()) == {"male": 48, "female": 43}
    assert Counter(actor.age_band for actor in actors.values()) == dict(zip(AGE_BANDS, (34, 32, 19, 6), strict=True))
