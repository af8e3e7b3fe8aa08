"""The tables that are published beside the clips of CREMA-D: who the actors are, and what listeners heard."""

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.corpora.base import Clip, CorpusChoice, CorpusError
from ser.corpora.cremad import CremaD
from ser.corpora.locations import Location, is_found, join_location, name_of, read_bytes, resolve_location

CORPUS = "cremad"
"""The corpus that the tables are of. Made-up clips bear names of real ones: nobody has heard those."""
DEMOGRAPHICS, VOTES = "VideoDemographics.csv", "summaryTable.csv"
AGE_BANDS = {"20-29": range(20, 30), "30-44": range(30, 45), "45-59": range(45, 60), "60+": range(60, 120)}
"""Our choice, of the published ages, 20 to 74: 34, 32, 19 and 6 of the 91 actors. Only one of the last is a woman."""

_EMOTION_OF_LETTER = {emotion[0].upper(): emotion for emotion in CremaD.emotions}
_SEXES = {"Female": "female", "Male": "male"}


@dataclass(frozen=True)
class Actor:
    """Who speaks: sex and age in years, as published."""

    sex: str
    age: int

    @property
    def age_band(self) -> str:
        """The band of `AGE_BANDS` that the age is in."""
        return next(band for band, ages in AGE_BANDS.items() if self.age in ages)


@dataclass(frozen=True)
class Vote:
    """What most of the about ten listeners took a clip for, by its sound alone; several emotions where they tied."""

    emotions: tuple[str, ...]

    def shares(self) -> dict[str, float]:
        """The vote of each emotion: 1, or 1 / k for each of k that tied."""
        return {emotion: 1 / len(self.emotions) for emotion in self.emotions}

    def row(self, emotions: Sequence[str]) -> list[float]:
        """The shares in the order of `emotions`."""
        shares = self.shares()
        return [shares.get(emotion, 0.0) for emotion in emotions]

    def settled(self, clip: str) -> str:
        """One emotion: of those that tied one by lot, drawn from the clip's name, so that it is right 1 in k times."""
        return min(self.emotions, key=lambda emotion: hashlib.sha256(f"{clip} {emotion}".encode()).digest())


def find_table(name: str, corpus_dir: Location) -> str | None:
    """Where a table lies: in the corpus folder, or beside it, or where a clone of its repository has it; else None."""
    folder = resolve_location(corpus_dir)
    beside = folder.rpartition("/")[0]
    places = (
        join_location(place, name)
        for each in (folder, beside)
        for place in (each, join_location(each, "processedResults"))
    )
    return next((place for place in places if is_found(place)), None)


def where_to_get(name: str) -> str:
    """One sentence for who misses a table."""
    return (
        f"{name} is not in or beside the corpus folder: --download fetches it, or copy it there from CREMA-D's "
        "repository (https://github.com/CheyneyComputerScience/CREMA-D)"
    )


def read_actors(table: Location) -> dict[str, Actor]:
    """The actors by their number, from `VideoDemographics.csv`.

    Raises:
        CorpusError: not that table, or a line in it that cannot be right.
    """
    actors = {}
    for number, row in _rows(table, ("ActorID", "Age", "Sex")):
        age = int(row["Age"]) if row["Age"].isdecimal() else -1
        if row["Sex"] not in _SEXES or not any(age in ages for ages in AGE_BANDS.values()):
            raise _wrong(table, number, f"sex Male or Female and age 20 or more, got {row['Sex']!r}, {row['Age']!r}")
        if row["ActorID"] in actors:
            raise _wrong(table, number, f"each actor once, got {row['ActorID']} again")
        actors[row["ActorID"]] = Actor(_SEXES[row["Sex"]], age)
    return actors


def read_votes(table: Location) -> dict[str, Vote]:
    """What was heard in each clip by its name, from `summaryTable.csv`: its column `VoiceVote`.

    Listeners who saw the face as well take no part. The published 40.9 % is the mean over single listeners; the vote
    of all of them is right more often.

    Raises:
        CorpusError: not that table, or a line in it that cannot be right.

    Source:
        Cao et al., CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset, IEEE Transactions on Affective
        Computing 5(4), 2014, section 4.
    """
    votes = {}
    for number, row in _rows(table, ("FileName", "VoiceVote")):
        letters = row["VoiceVote"].split(":")
        if len(set(letters)) != len(letters) or not set(letters) <= _EMOTION_OF_LETTER.keys():
            letters_known = ", ".join(_EMOTION_OF_LETTER)
            raise _wrong(table, number, f"a VoiceVote of {letters_known} joined by ':', got {row['VoiceVote']!r}")
        if row["FileName"] in votes:
            raise _wrong(table, number, f"each clip once, got {row['FileName']} again")
        votes[row["FileName"]] = Vote(tuple(_EMOTION_OF_LETTER[letter] for letter in letters))
    return votes


def vote_shares(choice: CorpusChoice, corpus_dir: Location, clips: Sequence[Clip]) -> NDArray[np.float32]:
    """What most listeners took each clip for, as probabilities of the corpus's emotions, (n, C): see `Vote.shares`.

    Raises:
        CorpusError: another corpus, whose clips nobody voted on; the table is missing, or says nothing of a clip.
    """
    if choice.name != CORPUS:
        raise CorpusError(f"training.vote_share needs listeners' votes, which {choice.name} has not: set it to 0")
    table = find_table(VOTES, corpus_dir)
    if table is None:
        raise CorpusError(f"training.vote_share needs listeners' votes: {where_to_get(VOTES)}")
    votes = read_votes(table)
    for clip in clips:
        if clip.name not in votes:
            raise CorpusError(f"training.vote_share needs listeners' votes, and {table} says nothing of {clip.name}")
    return np.array([votes[clip.name].row(CremaD.emotions) for clip in clips], np.float32)


def _rows(table: Location, needed: tuple[str, ...]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Line numbers and lines of a table that has the `needed` columns."""
    try:
        rows = csv.DictReader(io.StringIO(read_bytes(table).decode("utf-8"), newline=""))
        if not set(needed) <= set(rows.fieldnames or ()):
            raise CorpusError(f"{table} must have the columns {', '.join(needed)}: {where_to_get(name_of(table))}")
        for row in rows:
            if any(row[name] is None for name in needed):
                raise _wrong(table, rows.line_num, f"all of {', '.join(needed)}")
            yield rows.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{table} cannot be read as a table ({error}): copy it again") from None


def _wrong(table: Location, line: int, rule: str) -> CorpusError:
    return CorpusError(f"line {line} of {table} must have {rule}: copy the table again")
