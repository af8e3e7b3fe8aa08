"""RAVDESS, SAVEE and TESS as they are published, by name; their sound is noise in the formats they are known for."""

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import soundfile

_NU_6 = """
    back bar base bath bean beg bite boat bone book bought burn cab calm came cause chain chair chalk chat check
    cheek chief choice cool dab date dead death deep dime dip ditch dodge dog doll door fail fall far fat fit five
    food gap gas gaze germ get gin goal good goose gun half hall hash hate have haze hire hit hole home hurl hush
    jail jar join judge jug juice keen keep keg kick kill king kite knock late laud lean learn lease lid life limb
    live loaf long lore lose lot love luck make match merge mess met mill mob mode mood moon mop mouse nag name
    near neat nice note numb pad page pain pass pearl peg perch phone pick pike pole pool puff rag raid rain raise
    rat reach read red ring ripe road room rose rot rough rush said sail search seize sell shack shall shawl sheep
    shirt should shout size soap soup sour south sub such sure take talk tape team tell thin third thought thumb
    time tip tire ton tool tough turn vine voice void vote wag walk wash week wheat when which whip white wife
    wire witch yearn yes young youth
"""
TESS_WORDS = tuple(_NU_6.split())  # of the Northwestern University Auditory Test No. 6
_TESS_FOLDERS = {
    "OAF": ("angry", "disgust", "Fear", "happy", "neutral", "Pleasant_surprise", "Sad"),
    "YAF": ("angry", "disgust", "fear", "happy", "neutral", "pleasant_surprised", "sad"),
}
_TESS_EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "ps", "sad")


def ravdess_names() -> Iterator[str]:
    """All 1,440 in the folders of Kaggle's set; those of Zenodo's archive begin at `Actor_`."""
    for actor, emotion, intensity, sentence, repetition in product(range(1, 25), range(1, 9), (1, 2), (1, 2), (1, 2)):
        if (emotion, intensity) != (1, 2):
            name = f"03-01-{emotion:02}-{intensity:02}-{sentence:02}-{repetition:02}-{actor:02}.wav"
            yield f"Ravdess/audio_speech_actors_01-24/Actor_{actor:02}/{name}"


def savee_names() -> Iterator[str]:
    """All 480 in the folder of Kaggle's set."""
    for speaker, code in product(("DC", "JE", "JK", "KL"), ("a", "d", "f", "h", "n", "sa", "su")):
        for number in range(1, 31 if code == "n" else 16):
            yield f"Savee/{speaker}_{code}{number:02}.wav"


def tess_names() -> Iterator[str]:
    """All 2,800 in the folders of Kaggle's set, with the one that lacks a letter."""
    for speaker, folders in _TESS_FOLDERS.items():
        for (folder, emotion), word in product(zip(folders, _TESS_EMOTIONS, strict=True), TESS_WORDS):
            name = f"{speaker}_{word}_{emotion}.wav".replace("OAF_bite_neutral", "OA_bite_neutral")
            yield f"Tess/{speaker}_{folder}/{name}"


NAMES = {"ravdess": ravdess_names, "savee": savee_names, "tess": tess_names}
_FORMATS = {  # rate, channels of most and of a few, container of most and of a few
    "ravdess": (48_000, (1, 2), ("WAV", "WAV")),
    "savee": (44_100, (1, 1), ("WAV", "WAV")),
    "tess": (24_414, (1, 1), ("WAV", "AIFF")),
}


def write_sound(path: Path, corpus: str, *, odd: bool, seed: int) -> None:
    """One clip of noise in the format of most files of a corpus, or in the odd one of a few."""
    rate_hz, channels, containers = _FORMATS[corpus]
    samples = np.random.default_rng(seed).normal(0, 0.1, (rate_hz, channels[odd]))
    soundfile.write(path, samples, rate_hz, format=containers[odd], subtype="PCM_16")


def make_published(folder: Path, corpus: str) -> Path:
    """The whole corpus below `folder`, one sound under every name."""
    sound = folder / f"{corpus}.sound"
    folder.mkdir(parents=True, exist_ok=True)
    write_sound(sound, corpus, odd=False, seed=0)
    for name in NAMES[corpus]():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(sound, folder / name)
    return folder
