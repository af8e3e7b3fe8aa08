import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser.audio import decode, digest_of
from ser.corpora.base import CorpusError, describe_completeness
from ser.corpora.locations import read_bytes
from ser.corpora.synthetic import Synthetic, make_synthetic
from ser.corpora.voices import MANNERS
from ser.splits.split import Split, partition


def digests(folder: Path) -> dict[str, str]:
    clips = Synthetic().scan(folder).clips
    return {clip.name: digest_of(read_bytes(clip.location)) for clip in clips}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "corpus"
    make_synthetic(folder, n_speakers=5, n_sentences=2)
    return folder


def test_every_speaker_says_every_sentence_in_every_emotion(made: Path) -> None:
    clips = Synthetic().scan(made).clips
    counts = Counter((clip.speaker, clip.sentence, clip.emotion) for clip in clips)
    assert len(counts) == len(clips) == 5 * 2 * 6
    assert {clip.emotion for clip in clips} == set(Synthetic.emotions) == set(MANNERS)


def test_files_are_16_khz_16_bit_mono_and_of_a_sentence_s_length(made: Path) -> None:
    for clip in Synthetic().scan(made).clips:
        info = soundfile.info(clip.location)
        assert (info.samplerate, info.channels, info.format, info.subtype) == (16_000, 1, "WAV", "PCM_16")
        assert 1.2 <= info.duration <= 2.5
        wave = decode(read_bytes(clip.location))
        assert 0.01 < np.abs(wave).max() < 1.0


def test_no_two_clips_are_alike(made: Path) -> None:
    found = digests(made)
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize("fold", range(5))
def test_five_speakers_reach_all_five_folds(made: Path, fold: int) -> None:
    clips = Synthetic().scan(made).clips
    cut = partition(clips, Split(name="speaker-5fold", fold=fold), digests=digests(made))
    assert [len(part) for part in cut.parts.values()] == [36, 12, 12]


def test_the_default_is_what_is_published() -> None:
    numbers = np.linspace(1001, 1091, Synthetic.n_published_speakers).round()
    assert (Synthetic.n_published_clips, len(set(numbers))) == (360, 10)


def test_a_clip_is_the_same_in_another_process_and_another_corpus(made: Path, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from ser.corpora.synthetic import make_synthetic;"
        f"make_synthetic(Path({str(tmp_path / 'other')!r}), n_speakers=2, n_sentences=1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    other = digests(tmp_path / "other")
    assert len(other) == 12
    assert other.items() <= digests(made).items()


def test_another_seed_gives_other_voices(made: Path, tmp_path: Path) -> None:
    make_synthetic(tmp_path / "other", n_speakers=1, n_sentences=1, seed=1)
    other = digests(tmp_path / "other")
    assert other.keys() <= digests(made).keys()
    assert not set(other.values()) & set(digests(made).values())


def test_a_half_made_folder_is_completed_and_whole_files_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    make_synthetic(folder, n_speakers=2, n_sentences=1)
    whole, kept = digests(folder), Path(Synthetic().scan(folder).clips[0].location)
    written_at = kept.stat().st_mtime_ns
    for clip in Synthetic().scan(folder).clips[5:]:
        Path(clip.location).unlink()
    (folder / "AudioWAV" / "1091_DFA_SAD_XX.wav.77.part").write_bytes(b"cut off")
    make_synthetic(folder, n_speakers=2, n_sentences=1)
    assert digests(folder) == whole
    assert kept.stat().st_mtime_ns == written_at


def test_a_folder_killed_at_its_first_step_is_completed(tmp_path: Path) -> None:
    (tmp_path / "SYNTHETIC.json.77.part").write_text("{")
    make_synthetic(tmp_path, n_speakers=1, n_sentences=1)
    assert len(Synthetic().scan(tmp_path).clips) == 6


def test_the_folder_says_how_it_was_made(made: Path) -> None:
    held = json.loads((made / "SYNTHETIC.json").read_text())
    assert held == {"voices": 1, "n_speakers": 5, "n_sentences": 2, "seed": 0}
    assert describe_completeness(Synthetic, Synthetic().scan(made).clips) == "60 of 360 clips, 5 of 10 speakers"


def test_a_folder_made_otherwise_is_not_mixed_with(made: Path) -> None:
    with pytest.raises(CorpusError, match="another synthetic corpus"):
        make_synthetic(made, n_speakers=5, n_sentences=2, seed=1)


def test_real_recordings_are_not_mixed_with(tmp_path: Path) -> None:
    (tmp_path / "AudioWAV").mkdir()
    with pytest.raises(CorpusError, match="not a synthetic corpus: give an empty folder"):
        make_synthetic(tmp_path)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"n_speakers": 0}, r"n_speakers must lie in \{1..91\}, got 0"),
        ({"n_speakers": 92}, r"n_speakers must lie in \{1..91\}, got 92"),
        ({"n_sentences": 13}, r"n_sentences must lie in \{1..12\}, got 13"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path: Path, numbers: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_synthetic(tmp_path, **numbers)


def test_emotions_can_be_heard_but_no_one_number_gives_them_away(tmp_path: Path) -> None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import GroupKFold, cross_val_score

    make_synthetic(tmp_path, n_speakers=10, n_sentences=3)
    clips = Synthetic().scan(tmp_path).clips
    rows = np.array([loudness_and_band_levels(decode(read_bytes(clip.location))) for clip in clips])
    labels, speakers = [clip.emotion for clip in clips], [clip.speaker for clip in clips]

    def accuracy(columns: slice, truth: list[str]) -> float:
        model, folds = LinearDiscriminantAnalysis(), GroupKFold(5)
        return float(cross_val_score(model, rows[:, columns], truth, groups=speakers, cv=folds).mean())

    chance = 1 / 6
    assert 0.4 < accuracy(slice(None), labels) < 0.9
    assert max(accuracy(slice(n, n + 1), labels) for n in range(rows.shape[1])) < 0.5
    shuffled = list(np.random.default_rng(0).permutation(labels))
    assert abs(accuracy(slice(None), shuffled) - chance) < 0.1


def loudness_and_band_levels(wave: np.ndarray) -> np.ndarray:
    power = np.abs(np.fft.rfft(wave, 40_960)) ** 2
    bands = np.array_split(power[256:15_000], np.geomspace(80, 12_000, 16).astype(int))
    return np.array([len(wave) / 16_000, *(np.log(band.mean()) for band in bands)])
