"""The tables that are published beside the clips of CREMA-D: who the actors are, and what listeners heard."""

import csv
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ser.corpora.base import CorpusError
from ser.corpora.cremad import CremaD

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

    def settled(self, clip: str) -> str:
        """One emotion: of those that tied one by lot, drawn from the clip's name, so that it is right 1 in k times."""
        return min(self.emotions, key=lambda emotion: hashlib.sha256(f"{clip} {emotion}".encode()).digest())


def find_table(name: str, corpus_dir: Path) -> Path | None:
    """Where a table lies: in the corpus folder, or beside it, or where a clone of its repository has it; else None."""
    folders = (folder / place for folder in _around(corpus_dir) for place in (".", "processedResults"))
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def where_to_get(name: str) -> str:
    """One sentence for who misses a table."""
    return (
        f"{name} is not in or beside the corpus folder: copy it there from CREMA-D's repository "
        "(https://github.com/CheyneyComputerScience/CREMA-D)"
    )


def read_actors(path: Path) -> dict[str, Actor]:
    """The actors by their number, from `VideoDemographics.csv`.

    Raises:
        CorpusError: not that table, or a line in it that cannot be right.
    """
    actors = {}
    for number, row in _rows(path, ("ActorID", "Age", "Sex")):
        age = int(row["Age"]) if row["Age"].isdecimal() else -1
        if row["Sex"] not in _SEXES or not any(age in ages for ages in AGE_BANDS.values()):
            raise _wrong(path, number, f"sex Male or Female and age 20 or more, got {row['Sex']!r}, {row['Age']!r}")
        if row["ActorID"] in actors:
            raise _wrong(path, number, f"each actor once, got {row['ActorID']} again")
        actors[row["ActorID"]] = Actor(_SEXES[row["Sex"]], age)
    return actors


def read_votes(path: Path) -> dict[str, Vote]:
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
    for number, row in _rows(path, ("FileName", "VoiceVote")):
        letters = row["VoiceVote"].split(":")
        if len(set(letters)) != len(letters) or not set(letters) <= _EMOTION_OF_LETTER.keys():
            letters_known = ", ".join(_EMOTION_OF_LETTER)
            raise _wrong(path, number, f"a VoiceVote of {letters_known} joined by ':', got {row['VoiceVote']!r}")
        if row["FileName"] in votes:
            raise _wrong(path, number, f"each clip once, got {row['FileName']} again")
        votes[row["FileName"]] = Vote(tuple(_EMOTION_OF_LETTER[letter] for letter in letters))
    return votes


def _around(corpus_dir: Path) -> tuple[Path, Path]:
    folder = corpus_dir.resolve()
    return folder, folder.parent


def _rows(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Line numbers and lines of a table that has the `needed` columns."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            if not set(needed) <= set(table.fieldnames or ()):
                raise CorpusError(f"{path} must have the columns {', '.join(needed)}: {where_to_get(path.name)}")
            for row in table:
                if any(row[name] is None for name in needed):
                    raise _wrong(path, table.line_num, f"all of {', '.join(needed)}")
                yield table.line_num, row
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{path} cannot be read as a table ({error}): copy it again") from None


def _wrong(path: Path, line: int, rule: str) -> CorpusError:
    return CorpusError(f"line {line} of {path} must have {rule}: copy the table again")
