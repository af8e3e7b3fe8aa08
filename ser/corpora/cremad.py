"""CREMA-D: 7,442 clips of 91 actors who say 12 sentences in 6 emotions."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from ser.corpora.base import CORPORA, Clip, CorpusError, Scan

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

_LAYOUTS = ("AudioWAV", "Crema", "AudioFLAC", ".")
_SUFFIXES = (".wav", ".flac")
_GRAMMAR = re.compile("_".join(f"({'|'.join(p)})" for p in (SPEAKERS, SENTENCES, EMOTION_OF_CODE, INTENSITIES)))
# The one file whose published name lacks a letter; the corpus's own tables have it as on the right.
_PUBLISHED_AS = {"1040_ITH_SAD_X": "1040_ITH_SAD_XX"}


@CORPORA.register("cremad")
class CremaD:
    """The corpus as it is published on GitHub and on Kaggle, whole or in part.

    Source:
        Cao et al., CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset, IEEE Transactions on Affective
        Computing 5(4), 2014. The class of a clip is the emotion its actor was asked for.
    """

    emotions: ClassVar[tuple[str, ...]] = tuple(EMOTION_OF_CODE.values())
    n_published_clips: ClassVar[int] = 7442
    n_published_speakers: ClassVar[int] = 91

    def scan(self, folder: Path) -> Scan:
        """Find the clips below `folder`; the sound is not read.

        Raises:
            CorpusError: missing or empty folder, nothing in it that fits, a clip that is there twice, or a
                folder that `make_synthetic` made.
        """
        if (folder / SYNTHETIC_MARK).exists():
            raise CorpusError(f"{folder} holds the synthetic corpus, not CREMA-D: give --corpus synthetic")
        return scan_layouts(folder)


def scan_layouts(folder: Path) -> Scan:
    """The clips in AudioWAV, Crema, AudioFLAC or `folder` itself: the one with the most, the first of equals.

    Raises:
        CorpusError: missing or empty folder, nothing in it that fits, or a clip that is there twice.
    """
    if not folder.is_dir():
        raise CorpusError(
            f"{folder} is not a folder: give the folder that holds AudioWAV, Crema or AudioFLAC "
            "(CREMA-D: https://github.com/CheyneyComputerScience/CREMA-D)"
        )
    scans = [_scan_one(folder / layout) for layout in _LAYOUTS if (folder / layout).is_dir()]
    best = max(scans, key=lambda scan: len(scan.clips))
    if not best.clips:
        raise CorpusError(_nothing_fits(folder, [name for scan in scans for name in scan.misnamed]))
    names = [clip.name for clip in best.clips]
    twice = next((index for index in range(1, len(names)) if names[index] == names[index - 1]), None)
    if twice is not None:
        one, other = (best.clips[index].path.name for index in (twice - 1, twice))
        raise CorpusError(f"{best.clips[twice].path.parent} holds {names[twice]} twice, as {one} and {other}: keep one")
    return best


def parse(stem: str, path: Path) -> Clip | None:
    """The clip that a file name without suffix stands for, or None where it breaks the grammar."""
    name = _PUBLISHED_AS.get(stem, stem)
    match = _GRAMMAR.fullmatch(name)
    if match is None:
        return None
    speaker, sentence, code, intensity = match.groups()
    return Clip(name, path, speaker, sentence, EMOTION_OF_CODE[code], intensity)


def _scan_one(folder: Path) -> Scan:
    files = list(_sound_files(folder))
    parsed = [parse(path.stem, path) for path in files]
    clips = sorted((clip for clip in parsed if clip is not None), key=lambda clip: (clip.name, clip.path.name))
    misnamed = sorted(path.name for path, clip in zip(files, parsed, strict=True) if clip is None)
    return Scan(tuple(clips), tuple(misnamed))


def _sound_files(folder: Path) -> Iterator[Path]:
    # Names that begin with a dot are the notes that macOS leaves beside each file.
    for path in folder.iterdir():
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file():
            yield path


def _nothing_fits(folder: Path, misnamed: list[str]) -> str:
    if not any(folder.iterdir()):
        return f"{folder} is empty: download CREMA-D into it or give another folder"
    rule = "files are named <actor>_<sentence>_<emotion>_<intensity>.wav or .flac, as in 1001_DFA_ANG_XX.wav"
    if misnamed:
        some = ", ".join(misnamed[:3]) + (", …" if len(misnamed) > 3 else "")
        return f"none of the {len(misnamed):,} sound files in {folder} fits ({some}): {rule}"
    return f"{folder} holds no WAV or FLAC file, nor do AudioWAV, Crema and AudioFLAC below it: {rule}"
