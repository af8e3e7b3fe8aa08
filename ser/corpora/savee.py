"""SAVEE: 480 clips of 4 men who say 15 sentences in each emotion, 30 in the neutral one; 420 in the six emotions."""

import os
import re
from typing import ClassVar

from ser.corpora.base import CORPORA, SIX_EMOTIONS, Clip, Scan
from ser.corpora.layouts import Excluded, Layouts
from ser.corpora.locations import Location

_GRAMMAR = re.compile(r"(DC|JE|JK|KL)_((a|d|f|h|n|sa|su)(0[1-9]|[12]\d|30))", re.ASCII)
_EMOTION_OF_CODE = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
}
_N_SENTENCES, _N_NEUTRAL = 15, 30


@CORPORA.register("savee")
class Savee:
    """SAVEE as its authors publish it, a folder for each speaker, and as Kaggle does, whole or in part.

    Source:
        Haq & Jackson, Multimodal Emotion Recognition, in: Machine Audition, IGI Global, 2010. The 60 clips of
        surprise are excluded.
    """

    emotions: ClassVar[tuple[str, ...]] = SIX_EMOTIONS
    n_published_clips: ClassVar[int] = 420
    n_published_speakers: ClassVar[int] = 4

    def scan(self, folder: Location) -> Scan:
        """Find the clips below `folder`; the sound is not read.

        Raises:
            CorpusError: missing or empty folder, no file in it that fits, or a clip that is there twice.
        """
        return _LAYOUTS.scan(folder)


def parse(stem: str, location: Location) -> Clip | Excluded | None:
    """Parse a file name: a clip, the reason to exclude it, or None if it breaks the grammar.

    Args:
        stem: file name without suffix; the speaker comes before a `_`, or is the name of the folder.
        location: of the file.
    """
    speaker_of_folder = os.fspath(location).rpartition("/")[0].rpartition("/")[2]
    name = stem if "_" in stem else f"{speaker_of_folder}_{stem}"
    match = _GRAMMAR.fullmatch(name)
    if match is None:
        return None
    speaker, sentence, code, number = match.groups()
    if int(number) > (_N_NEUTRAL if code == "n" else _N_SENTENCES):
        return None
    if code == "su":
        return Excluded("surprise is none of the six emotions")
    # The same number means another sentence in each emotion.
    return Clip(name, os.fspath(location), speaker, sentence, _EMOTION_OF_CODE[code], "unspecified")


_LAYOUTS = Layouts(
    title="SAVEE",
    source="http://kahlan.eps.surrey.ac.uk/savee",
    folders=("Savee", "ALL", "AudioData", "."),
    parse=parse,
    rule="files are named <speaker>_<emotion><sentence>.wav, as in DC_sa03.wav, or sa03.wav in a folder DC",
    subfolders=re.compile("DC|JE|JK|KL"),
)
