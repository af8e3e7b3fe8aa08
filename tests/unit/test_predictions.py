"""Predictions clip by clip, read back."""

from pathlib import Path

import numpy as np
import pytest

from ser.corpora.cremad import EMOTION_OF_CODE, parse
from ser.evaluation.predictions import PredictionsError, concatenate_predictions, read_predictions
from ser.evaluation.predictions_file import PartPredictions, write_predictions

TEXT = """clip,part,speaker,truth,prediction,anger,sadness
1001_A,validation,1001,anger,anger,0.9,0.1
1002_A,test,1002,anger,sadness,0.25,0.75
1001_B,test,1001,sadness,sadness,0.5,0.5
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "predictions.csv"
    file.write_text(TEXT)
    return file


def test_one_part_is_read_in_the_order_of_the_file(path: Path) -> None:
    test = read_predictions(path, part="test", repeat=3)
    assert test.emotions == ("anger", "sadness")
    assert test.clips.tolist() == ["1002_A", "1001_B"]
    assert test.speakers.tolist() == ["1002", "1001"]
    assert (test.truth.tolist(), test.prediction.tolist()) == ([0, 1], [1, 1])
    assert test.probabilities.tolist() == [[0.25, 0.75], [0.5, 0.5]]
    assert test.repeats.tolist() == [3, 3]
    assert len(read_predictions(path, part="validation")) == 1


def test_parts_come_together_and_clips_are_chosen(path: Path) -> None:
    both = concatenate_predictions(
        [read_predictions(path, part="test"), read_predictions(path, part="validation", repeat=1)]
    )
    assert both.clips.tolist() == ["1002_A", "1001_B", "1001_A"]
    assert both.repeats.tolist() == [0, 0, 1]
    counts = both.counts()
    assert counts.speakers == ("1001", "1002")
    assert counts.confusions.shape == (2, 2, 2, 2)
    assert counts.confusions[0, 1].tolist() == [[0, 1], [0, 0]]
    one = both.select(both.speakers == "1001")
    assert one.clips.tolist() == ["1001_B", "1001_A"]
    assert one.probabilities.shape == (2, 2)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (TEXT.replace("speaker,", ""), "must begin with the columns clip, part, speaker, truth, prediction"),
        (TEXT.replace("anger,sadness,0.25", "anger,joy,0.25"), "has no column for the classes joy: train again"),
        ("", "cannot be read"),
    ],
)
def test_what_is_no_table_of_predictions_is_refused(path: Path, text: str, rule: str) -> None:
    path.write_text(text)
    with pytest.raises(PredictionsError, match=rule):
        read_predictions(path, part="test")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match="cannot be read"):
        read_predictions(tmp_path / "none.csv", part="test")


def test_what_a_classifier_predicted_is_read_as_it_was_written(tmp_path: Path) -> None:
    emotions = tuple(EMOTION_OF_CODE.values())
    names = [f"{speaker}_DFA_{code}_XX" for speaker in (1001, 1002) for code in EMOTION_OF_CODE]
    clips = [made for name in names if (made := parse(name, name)) is not None]
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(len(emotions)), 5)
    test = PartPredictions(np.array([11, 0, 7, 3, 4]), shares.argmax(axis=1), shares)
    path = tmp_path / "baselines" / "made-up.csv"
    parts = {"validation": PartPredictions(np.array([1]), np.array([2]), shares[:1]), "test": test}
    write_predictions(path, parts, clips=clips, emotions=emotions)
    read = read_predictions(path, part="test")
    assert read.emotions == emotions
    assert read.clips.tolist() == [names[at] for at in test.positions]
    assert read.speakers.tolist() == ["1002", "1001", "1002", "1001", "1001"]
    assert read.truth.tolist() == [at % 6 for at in test.positions]
    assert read.prediction.tolist() == test.labels.tolist()
    np.testing.assert_allclose(read.probabilities, shares, rtol=1e-5)
    assert read_predictions(path, part="validation").prediction.tolist() == [2]
    assert [file.name for file in path.parent.iterdir()] == ["made-up.csv"]
