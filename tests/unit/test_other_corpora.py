"""Grammars of RAVDESS, SAVEE and TESS on real file names, in every layout in which they are handed around."""

from collections import Counter
from pathlib import Path

import pytest

from ser.audio import SAMPLE_RATE_HZ, decode
from ser.corpora import ravdess, savee, tess
from ser.corpora.base import CORPORA, Clip, CorpusError, Scan
from ser.corpora.layouts import Excluded
from tests.support.published_corpora import NAMES, TESS_WORDS, write_sound

TESS_FOLDER = "TESS Toronto emotional speech set data"
OTHERS = ("ravdess", "savee", "tess")


def scan_of(corpus: str, folder: Path, *names: str) -> Scan:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return CORPORA[corpus]().scan(folder)


@pytest.mark.parametrize(
    ("parse", "stem", "clip"),
    [
        (ravdess.parse, "03-01-06-01-02-01-12", ("12", "dogs", "fear", "normal")),
        (ravdess.parse, "03-01-01-01-01-01-01", ("01", "kids", "neutral", "normal")),
        (ravdess.parse, "03-01-05-02-01-02-24", ("24", "kids", "anger", "strong")),
        (savee.parse, "DC_a01", ("DC", "a01", "anger", "unspecified")),
        (savee.parse, "KL_sa15", ("KL", "sa15", "sadness", "unspecified")),
        (savee.parse, "JK_n30", ("JK", "n30", "neutral", "unspecified")),
        (tess.parse, "OAF_back_angry", ("OAF", "back", "anger", "unspecified")),
        (tess.parse, "YAF_germ_angry", ("YAF", "germ", "anger", "unspecified")),
        (tess.parse, "YAF_youth_sad", ("YAF", "youth", "sadness", "unspecified")),
    ],
)
def test_a_name_says_who_says_what_and_how(parse, stem: str, clip: tuple[str, ...]) -> None:
    assert parse(stem, f"/data/{stem}.wav") == Clip(stem, f"/data/{stem}.wav", *clip)


@pytest.mark.parametrize(
    ("parse", "stem", "reason"),
    [
        (ravdess.parse, "03-01-02-01-01-01-01", "calm is none of the six emotions"),
        (ravdess.parse, "03-01-08-02-02-02-24", "surprise is none of the six emotions"),
        (ravdess.parse, "03-02-06-01-02-01-12", "song, not speech"),
        (savee.parse, "JE_su07", "surprise is none of the six emotions"),
        (tess.parse, "YAF_food_ps", "pleasant surprise is none of the six emotions"),
    ],
)
def test_what_fits_and_is_not_of_the_six_is_excluded_with_its_reason(parse, stem: str, reason: str) -> None:
    assert parse(stem, f"/data/{stem}.wav") == Excluded(reason)


@pytest.mark.parametrize(
    ("parse", "stems"),
    [
        (
            ravdess.parse,
            [
                "01-01-06-01-02-01-12", "03-03-06-01-02-01-12", "03-01-09-01-02-01-12", "03-01-00-01-02-01-12",
                "03-01-01-02-01-01-01", "03-01-06-03-02-01-12", "03-01-06-01-03-01-12", "03-01-06-01-02-03-12",
                "03-01-06-01-02-01-25", "03-01-06-01-02-01-00", "03-01-06-01-02-01", "3-1-6-1-2-1-12",
                "03-01-06-01-02-01-12-2", "03_01_06_01_02_01_12", " 03-01-06-01-02-01-12", "03-01-06-01-02-01-1٢",
            ],
        ),
        (savee.parse, ["DC_a16", "DC_n31", "DC_a00", "DC_a1", "DC_x01", "XX_a01", "dc_a01", "DC_sad01", "DCa01"]),
        (
            tess.parse,
            [
                "OAF_back", "OA_back_angry", "MAF_back_angry", "OAF_back_angry_2", "OAF_back_glad", "oaf_back_angry",
                "OAF__angry", "OAF_back_Angry", "OAF back angry", "OAF_back_fearful",
            ],
        ),
    ],
)  # fmt: skip
def test_names_outside_the_grammar_are_not_guessed(parse, stems: list[str]) -> None:
    assert [parse(stem, f"/data/{stem}.wav") for stem in stems] == [None] * len(stems)


@pytest.mark.parametrize(
    ("corpus", "n_published", "n_used", "n_speakers", "excluded"),
    [
        ("ravdess", 1440, 1056, 24, {"calm": 192, "surprise": 192}),
        ("savee", 480, 420, 4, {"surprise": 60}),
        ("tess", 2800, 2400, 2, {"pleasant surprise": 400}),
    ],
)
def test_all_published_names_are_used_or_excluded_by_reason(
    tmp_path: Path, corpus: str, n_published: int, n_used: int, n_speakers: int, excluded: dict[str, int]
) -> None:
    names = list(NAMES[corpus]())
    scan = scan_of(corpus, tmp_path, *names)
    assert len(set(names)) == n_published
    assert len(scan.clips) == n_used == CORPORA[corpus].n_published_clips
    assert len({clip.speaker for clip in scan.clips}) == n_speakers == CORPORA[corpus].n_published_speakers
    counts = {
        reason.removesuffix(" is none of the six emotions"): len(names) for reason, names in scan.excluded.items()
    }
    assert (counts, scan.misnamed) == (excluded, ())


def test_clips_are_spread_over_the_emotions_as_published(tmp_path: Path) -> None:
    found = {corpus: scan_of(corpus, tmp_path, *NAMES[corpus]()).clips for corpus in OTHERS}
    counts = {corpus: Counter(clip.emotion for clip in clips) for corpus, clips in found.items()}
    others = ("anger", "disgust", "fear", "happiness", "sadness")
    assert counts["ravdess"] == {"neutral": 96, **dict.fromkeys(others, 192)}
    assert counts["savee"] == {"neutral": 120, **dict.fromkeys(others, 60)}
    assert counts["tess"] == {"neutral": 400, **dict.fromkeys(others, 400)}
    assert {clip.sentence for clip in found["tess"]} == set(TESS_WORDS)
    assert len(TESS_WORDS) == 200


@pytest.mark.parametrize(
    ("corpus", "name"),
    [
        ("ravdess", "Ravdess/audio_speech_actors_01-24/Actor_01/03-01-01-01-01-01-01.wav"),
        ("ravdess", "audio_speech_actors_01-24/Actor_01/03-01-01-01-01-01-01.wav"),
        ("ravdess", "Audio_Speech_Actors_01-24/Actor_01/03-01-01-01-01-01-01.wav"),
        ("ravdess", "Actor_01/03-01-01-01-01-01-01.wav"),
        ("ravdess", "03-01-01-01-01-01-01.wav"),
        ("savee", "Savee/DC_a01.wav"),
        ("savee", "ALL/DC_a01.wav"),
        ("savee", "AudioData/DC/a01.wav"),
        ("savee", "DC/a01.wav"),
        ("savee", "DC_a01.wav"),
        ("tess", "Tess/OAF_angry/OAF_back_angry.wav"),
        ("tess", f"{TESS_FOLDER}/OAF_Fear/OAF_back_fear.wav"),
        ("tess", f"{TESS_FOLDER}/{TESS_FOLDER}/OAF_Sad/OAF_back_sad.wav"),
        ("tess", f"{TESS_FOLDER.lower()}/{TESS_FOLDER}/YAF_sad/YAF_back_sad.wav"),
        ("tess", "YAF_sad/YAF_back_sad.wav"),
        ("tess", "OAF_back_angry.wav"),
    ],
)  # fmt: skip
def test_each_layout_is_found(tmp_path: Path, corpus: str, name: str) -> None:
    (clip,) = scan_of(corpus, tmp_path, name).clips
    assert Path(clip.location) == (tmp_path / name).resolve()


def test_the_four_corpora_of_kaggle_s_set_lie_side_by_side(tmp_path: Path) -> None:
    for corpus in OTHERS:
        scan_of(corpus, tmp_path, *NAMES[corpus]())
    scan_of("cremad", tmp_path, "Crema/1001_DFA_ANG_XX.wav")
    counts = {corpus: len(CORPORA[corpus]().scan(tmp_path).clips) for corpus in (*OTHERS, "cremad")}
    assert counts == {"ravdess": 1056, "savee": 420, "tess": 2400, "cremad": 1}


def test_the_clip_that_lacks_a_letter_gets_it_and_is_not_used_twice(tmp_path: Path) -> None:
    (clip,) = scan_of("tess", tmp_path, "OAF_neutral/OA_bite_neutral.wav").clips
    assert (clip.name, clip.speaker) == ("OAF_bite_neutral", "OAF")
    duplicates = "as OAF_neutral/OAF_bite_neutral.wav and OAF_neutral/OA_bite_neutral.wav: keep one"
    with pytest.raises(CorpusError, match=f"holds OAF_bite_neutral twice, {duplicates}"):
        scan_of("tess", tmp_path, "OAF_neutral/OAF_bite_neutral.wav")


def test_songs_beside_speech_are_excluded(tmp_path: Path) -> None:
    scan = scan_of("ravdess", tmp_path, "Actor_01/03-01-04-01-01-01-01.wav", "Actor_01/03-02-04-01-01-01-01.wav")
    assert [clip.name for clip in scan.clips] == ["03-01-04-01-01-01-01"]
    assert dict(scan.excluded) == {"song, not speech": ("03-02-04-01-01-01-01.wav",)}


@pytest.mark.parametrize(
    ("corpus", "rule"), [("ravdess", "03-01-06-01-02-01-12.wav"), ("savee", "DC_sa03.wav"), ("tess", "OAF_back_angry")]
)
def test_what_is_no_corpus_is_refused_with_the_rule_and_the_source(tmp_path: Path, corpus: str, rule: str) -> None:
    with pytest.raises(CorpusError, match=f"none of the 1 sound files .*1001_DFA_ANG_XX.wav.*{rule}"):
        scan_of(corpus, tmp_path, "1001_DFA_ANG_XX.wav")
    with pytest.raises(CorpusError, match=rf"not a folder: give the folder that holds .*{corpus.upper()}: https?://"):
        CORPORA[corpus]().scan(tmp_path / "nowhere")


@pytest.mark.parametrize("corpus", OTHERS)
@pytest.mark.parametrize("odd", [False, True])
def test_their_formats_are_decoded_to_one_second_at_16_khz(tmp_path: Path, corpus: str, odd: bool) -> None:
    write_sound(tmp_path / "x.wav", corpus, odd=odd, seed=1)
    assert len(decode((tmp_path / "x.wav").read_bytes())) == pytest.approx(SAMPLE_RATE_HZ, abs=1)
