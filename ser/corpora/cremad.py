"""CREMA-D: 7,442 clips of 91 actors who say 12 sentences in 6 emotions."""

import os
import re
from typing import ClassVar

from ser.corpora.base import CORPORA, SIX_EMOTIONS, Clip, CorpusError, Scan
from ser.corpora.layouts import Layouts
from ser.corpora.locations import Location, can_find, join_location

SPEAKERS = tuple(str(actor) for actor in range(1001, 1092))
SENTENCES = ("DFA", "IEO", "IOM", "ITH", "ITS", "IWL", "IWW", "MTI", "TAI", "TIE", "TSI", "WSI")
EMOTION_OF_CODE = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
INTENSITIES = ("LO", "MD", "HI", "XX")
SYNTHETIC_MARK = "SYNTHETIC.json"

_GRAMMAR = re.compile("_".join(f"({'|'.join(p)})" for p in (SPEAKERS, SENTENCES, EMOTION_OF_CODE, INTENSITIES)))
# Published file name -> name in the corpus's own tables. The one file whose published name lacks a letter.
PUBLISHED_AS = {"1040_ITH_SAD_X": "1040_ITH_SAD_XX"}


@CORPORA.register("cremad")
class CremaD:
    """CREMA-D as it is published on GitHub and on Kaggle, whole or in part.

    Source:
        Cao et al., CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset, IEEE Transactions on Affective
        Computing 5(4), 2014. The class of a clip is the emotion that its actor was asked to express.
    """

    emotions: ClassVar[tuple[str, ...]] = SIX_EMOTIONS
    n_published_clips: ClassVar[int] = 7442
    n_published_speakers: ClassVar[int] = 91

    def scan(self, folder: Location) -> Scan:
        """Find the clips below `folder`; the sound is not read.

        Raises:
            CorpusError: missing or empty folder, no file in it that fits, a clip that is there twice, or a folder
                that `make_synthetic` has written.
        """
        scan = LAYOUTS.scan(folder)
        if can_find(join_location(folder, SYNTHETIC_MARK)):
            raise CorpusError(f"{folder} holds the synthetic corpus, not CREMA-D", "give --corpus synthetic")
        return scan


def parse(stem: str, location: Location) -> Clip | None:
    """Parse a file name without suffix; None if it breaks the grammar."""
    name = PUBLISHED_AS.get(stem, stem)
    match = _GRAMMAR.fullmatch(name)
    if match is None:
        return None
    speaker, sentence, code, intensity = match.groups()
    return Clip(name, os.fspath(location), speaker, sentence, EMOTION_OF_CODE[code], intensity)


LAYOUTS = Layouts(
    title="CREMA-D",
    source="--download fetches it from https://github.com/CheyneyComputerScience/CREMA-D",
    folders=("AudioWAV", "Crema", "AudioFLAC", "."),
    parse=parse,
    rule="files are named <actor>_<sentence>_<emotion>_<intensity>.wav or .flac, as in 1001_DFA_ANG_XX.wav",
)
