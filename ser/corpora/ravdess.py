"""Speech of RAVDESS: 1,440 clips of 24 actors who say 2 sentences; 1,056 of them in the six emotions."""

import os
import re
from typing import ClassVar

from ser.corpora.base import CORPORA, SIX_EMOTIONS, Clip, Scan
from ser.corpora.layouts import Excluded, Layouts
from ser.corpora.locations import Location

# Modality (03: sound alone), channel, emotion, intensity, sentence, repetition, actor.
_GRAMMAR = re.compile(r"03-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4])", re.ASCII)
_SONG = "02"
_EMOTION_OF_CODE = {
    "01": "neutral",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
}
_OTHER_OF_CODE = {"02": "calm", "08": "surprise"}
_INTENSITY_OF_CODE = {"01": "normal", "02": "strong"}
_SENTENCE_OF_CODE = {"01": "kids", "02": "dogs"}


@CORPORA.register("ravdess")
class Ravdess:
    """The speech of RAVDESS as it is published on Zenodo and on Kaggle, whole or in part.

    Source:
        Livingstone & Russo, The Ryerson Audio-Visual Database of Emotional Speech and Song, PLoS ONE 13(5), 2018.
        44 clips of each actor are in the six emotions; 8 calm and 8 surprised ones are not. Song is excluded.
    """

    emotions: ClassVar[tuple[str, ...]] = SIX_EMOTIONS
    n_published_clips: ClassVar[int] = 1056
    n_published_speakers: ClassVar[int] = 24

    def scan(self, folder: Location) -> Scan:
        """Find the clips below `folder`; the sound is not read.

        Raises:
            CorpusError: missing or empty folder, no file in it that fits, or a clip that is there twice.
        """
        return _LAYOUTS.scan(folder)


def parse(stem: str, location: Location) -> Clip | Excluded | None:
    """Parse a file name without suffix: a clip, the reason to exclude it, or None if it breaks the grammar."""
    match = _GRAMMAR.fullmatch(stem)
    if match is None:
        return None
    channel, emotion, intensity, sentence, _, actor = match.groups()
    if channel == _SONG:
        return Excluded("song, not speech")
    if emotion in _OTHER_OF_CODE:
        return Excluded(f"{_OTHER_OF_CODE[emotion]} is none of the six emotions")
    if (_EMOTION_OF_CODE[emotion], _INTENSITY_OF_CODE[intensity]) == ("neutral", "strong"):
        return None
    return Clip(
        stem,
        os.fspath(location),
        speaker=actor,
        sentence=_SENTENCE_OF_CODE[sentence],
        emotion=_EMOTION_OF_CODE[emotion],
        intensity=_INTENSITY_OF_CODE[intensity],
    )


_LAYOUTS = Layouts(
    title="RAVDESS",
    source="https://zenodo.org/records/1188976",
    folders=(
        "Ravdess/audio_speech_actors_01-24",
        "audio_speech_actors_01-24",
        "Audio_Speech_Actors_01-24",
        ".",
    ),
    parse=parse,
    rule="files are named 03-01-<emotion>-<intensity>-<sentence>-<repetition>-<actor>.wav, as 03-01-06-01-02-01-12.wav",
    subfolders=re.compile(r"Actor_\d\d"),
)
