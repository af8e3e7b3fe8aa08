"""TESS: 2,800 clips of 2 women who say 200 words in a carrier phrase; 2,400 of them in the six emotions."""

import os
import re
from typing import ClassVar

from ser.corpora.base import CORPORA, SIX_EMOTIONS, Clip, Scan
from ser.corpora.layouts import Excluded, Layouts
from ser.corpora.locations import Location

_GRAMMAR = re.compile(r"(OAF|YAF)_([a-z]+)_(angry|disgust|fear|happy|neutral|sad|ps)", re.ASCII)
_EMOTION_OF_WORD = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "sad": "sadness",
}
# The one file whose published name lacks a letter.
_PUBLISHED_AS = {"OA_bite_neutral": "OAF_bite_neutral"}
_KAGGLE = "TESS Toronto emotional speech set data"


@CORPORA.register("tess")
class Tess:
    """TESS as it is published by the University of Toronto and on Kaggle, whole or in part.

    It has two speakers, so figures on it say nothing about new voices.

    Source:
        Pichora-Fuller & Dupuis, Toronto emotional speech set (TESS), University of Toronto, 2010, doi
        10.5683/SP2/E8H2MF. The 400 clips of pleasant surprise (`ps`) are excluded.
    """

    emotions: ClassVar[tuple[str, ...]] = SIX_EMOTIONS
    n_published_clips: ClassVar[int] = 2400
    n_published_speakers: ClassVar[int] = 2

    def scan(self, folder: Location) -> Scan:
        """Find the clips below `folder`; the sound is not read.

        Raises:
            CorpusError: missing or empty folder, no file in it that fits, or a clip that is there twice.
        """
        return _LAYOUTS.scan(folder)


def parse(stem: str, location: Location) -> Clip | Excluded | None:
    """Parse a file name without suffix: a clip, the reason to exclude it, or None if it breaks the grammar."""
    name = _PUBLISHED_AS.get(stem, stem)
    match = _GRAMMAR.fullmatch(name)
    if match is None:
        return None
    speaker, word, emotion = match.groups()
    if emotion == "ps":
        return Excluded("pleasant surprise is none of the six emotions")
    return Clip(name, os.fspath(location), speaker, word, _EMOTION_OF_WORD[emotion], "unspecified")


_LAYOUTS = Layouts(
    title="TESS",
    source="https://doi.org/10.5683/SP2/E8H2MF",
    folders=("Tess", f"{_KAGGLE}/{_KAGGLE}", f"{_KAGGLE.lower()}/{_KAGGLE}", _KAGGLE, "."),
    parse=parse,
    rule="files are named <speaker>_<word>_<emotion>.wav, as in OAF_back_angry.wav",
    subfolders=re.compile("[OY]AF_[A-Za-z_]+"),
)
