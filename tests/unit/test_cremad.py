import csv
from pathlib import Path

import pytest

from ser.audio import AudioFacts, decode, digest_of, facts
from ser.corpora.base import Clip, CorpusError, describe_completeness
from ser.corpora.cremad import EMOTION_OF_CODE, SENTENCES, SPEAKERS, CremaD, parse
from ser.corpora.faults import find_known_faults
from ser.corpora.locations import read_bytes
from ser.corpora.synthetic import make_synthetic


def folder_with(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not read")
    return folder


def names_of(folder: Path) -> list[str]:
    return [clip.name for clip in CremaD().scan(folder).clips]


def test_a_name_says_who_says_what_and_how() -> None:
    path = Path("1091_IEO_HAP_MD.wav")
    assert parse(path.stem, path) == Clip("1091_IEO_HAP_MD", str(path), "1091", "IEO", "happiness", "MD")


@pytest.mark.parametrize(
    "stem",
    [
        "1000_DFA_ANG_XX",
        "1092_DFA_ANG_XX",
        "1001_AAA_ANG_XX",
        "1001_DFA_JOY_XX",
        "1001_DFA_ANG_XL",
        "1001_DFA_ANG_X",
        "1001_DFA_ANG",
        "1001_DFA_ANG_XX_2",
        " 1001_DFA_ANG_XX",
        "1001_dfa_ang_xx",
        "1001-DFA-ANG-XX",
        "١٠٠١_DFA_ANG_XX",
    ],
)
def test_names_outside_the_grammar_are_not_guessed(stem: str) -> None:
    assert parse(stem, Path(stem)) is None


def test_the_one_misspelt_published_name_gets_the_name_of_the_tables(tmp_path: Path) -> None:
    folder_with(tmp_path, "AudioWAV/1040_ITH_SAD_X.wav")
    (clip,) = CremaD().scan(tmp_path).clips
    assert (clip.name, clip.emotion, clip.intensity) == ("1040_ITH_SAD_XX", "sadness", "XX")
    assert Path(clip.location).name == "1040_ITH_SAD_X.wav"


@pytest.mark.parametrize("layout", ["AudioWAV", "Crema", "AudioFLAC", "."])
@pytest.mark.parametrize("suffix", [".wav", ".WAV", ".flac", ".Flac"])
def test_each_layout_and_suffix_is_found(tmp_path: Path, layout: str, suffix: str) -> None:
    folder_with(tmp_path, f"{layout}/1002_TIE_FEA_XX{suffix}", f"{layout}/1001_TIE_SAD_XX{suffix}")
    assert names_of(tmp_path) == ["1001_TIE_SAD_XX", "1002_TIE_FEA_XX"]


def test_names_that_do_not_fit_are_listed_and_other_files_are_not(tmp_path: Path) -> None:
    folder_with(tmp_path, "1001_DFA_ANG_XX.wav", "take 2.wav", "1001_DFA_ANG.flac", "notes.txt")
    folder_with(tmp_path, "._1001_DFA_ANG_XX.wav")
    scan = CremaD().scan(tmp_path)
    assert scan.misnamed == ("1001_DFA_ANG.flac", "take 2.wav")
    assert [clip.name for clip in scan.clips] == ["1001_DFA_ANG_XX"]


def test_of_two_layouts_the_fuller_is_taken_and_of_equals_the_first(tmp_path: Path) -> None:
    folder_with(tmp_path, "AudioFLAC/1001_DFA_ANG_XX.flac", "AudioWAV/1001_DFA_ANG_XX.wav")
    assert [Path(clip.location).suffix for clip in CremaD().scan(tmp_path).clips] == [".wav"]
    folder_with(tmp_path, "AudioFLAC/1001_DFA_SAD_XX.flac")
    assert [Path(clip.location).suffix for clip in CremaD().scan(tmp_path).clips] == [".flac", ".flac"]


@pytest.mark.parametrize(
    "duplicates",
    [("1001_DFA_ANG_XX.flac", "1001_DFA_ANG_XX.wav"), ("1040_ITH_SAD_X.wav", "1040_ITH_SAD_XX.wav")],
)
def test_a_clip_twice_in_one_folder_is_refused(tmp_path: Path, duplicates: tuple[str, str]) -> None:
    folder_with(tmp_path, *duplicates)
    with pytest.raises(CorpusError, match=f"twice, as {duplicates[0]} and {duplicates[1]}: keep one"):
        CremaD().scan(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="not a folder: give the folder that holds AudioWAV"):
        CremaD().scan(tmp_path / "nowhere")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="is empty: download CREMA-D"):
        CremaD().scan(tmp_path)


def test_a_folder_without_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="holds no WAV or FLAC file"):
        CremaD().scan(folder_with(tmp_path, "summaryTable.csv"))


def test_where_no_name_fits_some_are_shown(tmp_path: Path) -> None:
    folder_with(tmp_path, *(f"Crema/03-01-0{n}.wav" for n in range(1, 6)))
    with pytest.raises(CorpusError, match=r"none of the 5 sound files .* \(03-01-01.wav, 03-01-02.wav"):
        CremaD().scan(tmp_path)


def test_a_synthetic_folder_never_passes_for_cremad(tmp_path: Path) -> None:
    make_synthetic(tmp_path / "made", n_speakers=1, n_sentences=1)
    with pytest.raises(CorpusError, match=r"--corpus synthetic"):
        CremaD().scan(tmp_path / "made")


def test_all_published_clips_are_parsed(shared_dir: Path, tmp_path: Path) -> None:
    with (shared_dir / "cremad" / "summaryTable.csv").open(newline="") as table:
        published = sorted(row["FileName"] for row in csv.DictReader(table))
    clips = CremaD().scan(folder_with(tmp_path, *(f"AudioWAV/{name}.wav" for name in published))).clips
    assert [clip.name for clip in clips] == published
    assert describe_completeness(CremaD, clips) == "7,442 of 7,442 clips, 91 of 91 speakers"
    assert {clip.sentence for clip in clips} == set(SENTENCES)
    assert {clip.speaker for clip in clips} == set(SPEAKERS)
    assert {clip.emotion for clip in clips} == set(CremaD.emotions) == set(EMOTION_OF_CODE.values())


def test_the_shared_clips_are_found(shared_dir: Path) -> None:
    scan = CremaD().scan(shared_dir / "cremad")
    assert describe_completeness(CremaD, scan.clips) == "4,573 of 7,442 clips, 56 of 91 speakers"
    assert scan.misnamed == ()


def clip(name: str) -> Clip:
    found = parse(name, Path(name))
    assert found is not None
    return found


def test_identical_files_with_two_labels_are_both_faults() -> None:
    names = ("1001_TIE_HAP_XX", "1001_TIE_NEU_XX", "1001_TIE_SAD_XX")
    clips = [clip(name) for name in names]
    found = find_known_faults(clips, {name: AudioFacts("ab"[n > 1], 9, 0.5) for n, name in enumerate(names)})
    assert list(found) == ["1001_TIE_HAP_XX", "1001_TIE_NEU_XX"]
    assert found["1001_TIE_HAP_XX"] == "labelled happiness, but the same bytes as 1001_TIE_NEU_XX (neutral)"


def test_identical_files_with_one_label_are_no_fault() -> None:
    names = ("1001_IEO_SAD_LO", "1001_IEO_SAD_HI")
    assert find_known_faults([clip(name) for name in names], dict.fromkeys(names, AudioFacts("a", 9, 0.5))) == {}


def test_a_silent_clip_is_a_fault() -> None:
    found = find_known_faults([clip("1076_MTI_SAD_XX")], {"1076_MTI_SAD_XX": AudioFacts("a", 9, 0.0)})
    assert found == {"1076_MTI_SAD_XX": "every sample is zero"}


def test_a_clip_without_facts_is_an_error() -> None:
    with pytest.raises(KeyError, match="1001_DFA_ANG_XX"):
        find_known_faults([clip("1001_DFA_ANG_XX")], {})


def test_the_three_known_pairs_are_found_in_the_real_files(shared_dir: Path) -> None:
    pairs: tuple[str, ...] = ("1006_TIE_HAP_XX", "1006_TIE_NEU_XX", "1013_WSI_DIS_XX", "1013_WSI_SAD_XX")
    pairs += ("1017_IWW_ANG_XX", "1017_IWW_FEA_XX")
    speakers = {name[:4] for name in pairs}
    clips = [c for c in CremaD().scan(shared_dir / "cremad").clips if c.speaker in speakers]
    data = {c.name: read_bytes(c.location) for c in clips}
    assert (
        tuple(find_known_faults(clips, {name: facts(decode(d), digest=digest_of(d)) for name, d in data.items()}))
        == pairs
    )
