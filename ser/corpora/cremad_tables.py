"""Tables that are published beside the clips of CREMA-D: sex and age of the actors, and the votes of listeners."""

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.corpora.base import Clip, CorpusChoice, CorpusError
from ser.corpora.cremad import CremaD
from ser.corpora.locations import Location, can_find, join_location, read_bytes, resolve_location

CORPUS = "cremad"
"""Corpus that the tables describe. Synthetic clips have the names of real ones, but no listener voted on them."""
DEMOGRAPHICS, VOTES = "VideoDemographics.csv", "summaryTable.csv"
TABLE_REMEDY = (
    "--download fetches it, or copy it there from CREMA-D's repository "
    "(https://github.com/CheyneyComputerScience/CREMA-D)"
)
"""Remedy for a table that is missing, or is not the published one."""
AGE_BANDS = {"20-29": range(20, 30), "30-44": range(30, 45), "45-59": range(45, 60), "60+": range(60, 120)}
"""Our choice for the published ages, 20 to 74: 34, 32, 19 and 6 of the 91 actors. One of the last six is a woman."""

_EMOTION_OF_LETTER = {emotion[0].upper(): emotion for emotion in CremaD.emotions}
_SEXES = {"Female": "female", "Male": "male"}


@dataclass(frozen=True)
class Actor:
    """Sex and age in years of an actor, as published."""

    sex: str
    age: int

    @property
    def age_band(self) -> str:
        """Band of `AGE_BANDS` that contains the age."""
        return next(band for band, ages in AGE_BANDS.items() if self.age in ages)


@dataclass(frozen=True)
class Vote:
    """Emotion that most of about ten listeners chose for a clip, by its sound alone; several emotions if they tied."""

    emotions: tuple[str, ...]

    def shares(self) -> dict[str, float]:
        """Share of each emotion that won: 1, or 1 / k for each of k that tied."""
        return {emotion: 1 / len(self.emotions) for emotion in self.emotions}

    def to_row(self, emotions: Sequence[str]) -> list[float]:
        """Shares in the order of `emotions`, 0 for those that did not win."""
        shares = self.shares()
        return [shares.get(emotion, 0.0) for emotion in emotions]

    def break_tie(self, clip: str) -> str:
        """One emotion; of k that tied one at random, seeded by the clip's name, so that it is right 1 in k times."""
        return min(self.emotions, key=lambda emotion: hashlib.sha256(f"{clip} {emotion}".encode()).digest())


def find_table(name: str, corpus_dir: Location) -> str | None:
    """Find a table in the corpus folder, beside it, or where a clone of its repository has it; None if missing."""
    folder = resolve_location(corpus_dir)
    beside = folder.rpartition("/")[0]
    places = (
        join_location(place, name)
        for each in (folder, beside)
        for place in (each, join_location(each, "processedResults"))
    )
    return next((place for place in places if can_find(place)), None)


def describe_missing_table(name: str) -> CorpusError:
    """Error for a table that is missing, to be raised or printed."""
    return CorpusError(f"{name} is not in or beside the corpus folder", TABLE_REMEDY)


def read_actors(table: Location) -> dict[str, Actor]:
    """Read the actors by their number from `VideoDemographics.csv`.

    Raises:
        CorpusError: not that table, or an invalid line in it.
    """
    actors = {}
    for number, row in _read_rows(table, ("ActorID", "Age", "Sex")):
        age = int(row["Age"]) if row["Age"].isdecimal() else -1
        if row["Sex"] not in _SEXES or not any(age in ages for ages in AGE_BANDS.values()):
            raise _describe_bad_line(
                table, number, f"sex Male or Female and age 20 or more, got {row['Sex']!r}, {row['Age']!r}"
            )
        if row["ActorID"] in actors:
            raise _describe_bad_line(table, number, f"each actor once, got {row['ActorID']} again")
        actors[row["ActorID"]] = Actor(_SEXES[row["Sex"]], age)
    return actors


def read_votes(table: Location) -> dict[str, Vote]:
    """Read the listeners' vote on each clip, by its name, from the column `VoiceVote` of `summaryTable.csv`.

    Votes of listeners who also saw the face are not used. The published 40.9 % is the mean accuracy of single
    listeners; the vote of all of them is right more often.

    Raises:
        CorpusError: not that table, or an invalid line in it.

    Source:
        Cao et al., CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset, IEEE Transactions on Affective
        Computing 5(4), 2014, section 4.
    """
    votes = {}
    for number, row in _read_rows(table, ("FileName", "VoiceVote")):
        letters = row["VoiceVote"].split(":")
        if len(set(letters)) != len(letters) or not set(letters) <= _EMOTION_OF_LETTER.keys():
            letters_known = ", ".join(_EMOTION_OF_LETTER)
            raise _describe_bad_line(
                table, number, f"a VoiceVote of {letters_known} joined by ':', got {row['VoiceVote']!r}"
            )
        if row["FileName"] in votes:
            raise _describe_bad_line(table, number, f"each clip once, got {row['FileName']} again")
        votes[row["FileName"]] = Vote(tuple(_EMOTION_OF_LETTER[letter] for letter in letters))
    return votes


def read_vote_shares(choice: CorpusChoice, corpus_dir: Location, clips: Sequence[Clip]) -> NDArray[np.float32]:
    """Read the listeners' votes on clips as probabilities of the corpus's emotions.

    Args:
        choice: of the corpus.
        corpus_dir: its folder, with the table in or beside it.
        clips: n clips.

    Returns:
        (n, C) float32, in the order of the clips and of the corpus's emotions: see `Vote.shares`.

    Raises:
        CorpusError: a corpus without votes, a missing table, or a table that lacks a clip.
    """
    if choice.name != CORPUS:
        raise CorpusError(
            f"training.vote_share needs listeners' votes, which {choice.name} does not have", "set it to 0"
        )
    table = find_table(VOTES, corpus_dir)
    if table is None:
        missing = describe_missing_table(VOTES)
        raise CorpusError(f"training.vote_share needs listeners' votes, and {missing.problem}", missing.remedy)
    votes = read_votes(table)
    for clip in clips:
        if clip.name not in votes:
            raise CorpusError(
                f"training.vote_share needs listeners' votes, and {table} does not contain {clip.name}",
                "set it to 0, or copy the table again",
            )
    return np.array([votes[clip.name].to_row(CremaD.emotions) for clip in clips], np.float32)


def _read_rows(table: Location, needed: tuple[str, ...]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Read line numbers and lines of a table that has the `needed` columns."""
    try:
        rows = csv.DictReader(io.StringIO(read_bytes(table).decode("utf-8"), newline=""))
        if not set(needed) <= set(rows.fieldnames or ()):
            raise CorpusError(f"{table} must have the columns {', '.join(needed)}", TABLE_REMEDY)
        for row in rows:
            if any(row[name] is None for name in needed):
                raise _describe_bad_line(table, rows.line_num, f"all of {', '.join(needed)}")
            yield rows.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{table} cannot be read as a table ({error})", "copy it again") from None


def _describe_bad_line(table: Location, line: int, rule: str) -> CorpusError:
    return CorpusError(f"line {line} of {table} must have {rule}", "copy the table again")
