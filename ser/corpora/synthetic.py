"""Small synthetic corpus with CREMA-D's names, so that every command can be run without recordings."""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import soundfile

from ser.audio import SAMPLE_RATE_HZ
from ser.corpora.base import CORPORA, SIX_EMOTIONS, Clip, CorpusError, Scan
from ser.corpora.cremad import EMOTION_OF_CODE, LAYOUTS, SENTENCES, SPEAKERS, SYNTHETIC_MARK, parse
from ser.corpora.locations import Location
from ser.corpora.voices import speak
from ser.files import SUFFIX, replace_file, write_text

N_SPEAKERS = 10
N_SENTENCES = 6
VOICES_VERSION = 1


@CORPORA.register("synthetic")
class Synthetic:
    """Corpus that `make_synthetic` writes. Figures on it show that the system works, and nothing about emotion."""

    emotions: ClassVar[tuple[str, ...]] = SIX_EMOTIONS
    n_published_clips: ClassVar[int] = N_SPEAKERS * N_SENTENCES * len(EMOTION_OF_CODE)
    n_published_speakers: ClassVar[int] = N_SPEAKERS

    def scan(self, folder: Location) -> Scan:
        """Find the clips below `folder`; the sound is not read.

        Raises:
            CorpusError: missing or empty folder, no file in it that fits, or a clip that is there twice.
        """
        return LAYOUTS.scan(folder)


def make_synthetic(
    folder: Path, *, n_speakers: int = N_SPEAKERS, n_sentences: int = N_SENTENCES, seed: int = 0
) -> None:
    """Fill `folder` with synthetic clips, one for each speaker, sentence and emotion.

    A clip depends only on the seed and its own name. Clips that are there are kept: an incomplete folder is completed,
    and a complete one is not changed. Each file appears whole or not at all.

    Args:
        folder: created if it does not exist.
        n_speakers: 1 to 91, spread evenly over CREMA-D's actor numbers; with 5 or more, each fold has one.
        n_sentences: 1 to 12.
        seed: each seed gives other voices.

    Raises:
        ValueError: a number out of its range.
        CorpusError: `folder` holds other files, or a synthetic corpus of other settings.
    """
    for name, value, most in (
        ("n_speakers", n_speakers, len(SPEAKERS)),
        ("n_sentences", n_sentences, len(SENTENCES)),
    ):
        if not 1 <= value <= most:
            raise ValueError(f"{name} must lie in {{1..{most}}}, got {value}")
    description = {
        "voices": VOICES_VERSION,
        "n_speakers": n_speakers,
        "n_sentences": n_sentences,
        "seed": seed,
    }
    _mark_synthetic(folder, description)
    (folder / "AudioWAV").mkdir(exist_ok=True)
    for clip in _list_clips(folder, n_speakers, n_sentences):
        if not Path(clip.location).exists():
            _write_clip(clip, seed)


def _mark_synthetic(folder: Path, description: dict[str, int]) -> None:
    """Write the settings before the first clip, so that the folder is never mistaken for real recordings."""
    mark = folder / SYNTHETIC_MARK
    if mark.exists():
        present: Any = json.loads(mark.read_text(encoding="utf-8"))
        if present != description:
            raise CorpusError(
                f"{folder} holds another synthetic corpus ({present})", "delete it or give another folder"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    if any(path.suffix != SUFFIX for path in folder.iterdir()):
        raise CorpusError(f"{folder} holds something that is not a synthetic corpus", "give an empty folder")
    write_text(mark, json.dumps(description))


def _list_clips(folder: Path, n_speakers: int, n_sentences: int) -> Iterator[Clip]:
    chosen = np.linspace(0, len(SPEAKERS) - 1, n_speakers).round().astype(int)
    for number, sentence, code in product(chosen, SENTENCES[:n_sentences], EMOTION_OF_CODE):
        name = f"{SPEAKERS[number]}_{sentence}_{code}_XX"
        clip = parse(name, folder / "AudioWAV" / f"{name}.wav")
        assert clip is not None
        yield clip


def _write_clip(clip: Clip, seed: int) -> None:
    path = Path(clip.location)
    with replace_file(path, durable=False) as written:
        soundfile.write(written, speak(clip, seed=seed), SAMPLE_RATE_HZ, subtype="PCM_16", format="WAV")
