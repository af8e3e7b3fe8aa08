"""The columns of a served model's answer: one declaration for the model, its signature and its clients."""

import json
from typing import Any

import pytest

from ser.corpora.base import CORPORA
from ser.serving.answer import Answer, list_columns

ANSWER = Answer(emotion="fear", probabilities={"anger": 0.25, "fear": 0.75}, duration_s=1.5, warning="clipped")
ROW = {"emotion": "fear", "anger": 0.25, "fear": 0.75, "duration_s": 1.5, "warning": "clipped"}


def test_an_answer_is_one_row_in_the_order_of_the_columns() -> None:
    assert list(ANSWER.to_row().items()) == list(ROW.items())


@pytest.mark.parametrize("answer", [ANSWER, Answer("anger", {"anger": 1.0}, 0.1, "")])
def test_a_row_sent_as_json_is_the_same_answer(answer: Answer) -> None:
    assert Answer.from_row(json.loads(json.dumps(answer.to_row()))) == answer


def test_an_absent_warning_is_empty() -> None:
    assert Answer.from_row({**ROW, "warning": None}).warning == ""


@pytest.mark.parametrize("corpus", sorted(CORPORA))
def test_the_columns_are_those_of_a_row_with_their_types(corpus: str) -> None:
    emotions = CORPORA[corpus].emotions
    row = Answer(emotions[0], dict.fromkeys(emotions, 1 / len(emotions)), 1.0, "").to_row()
    assert {column: type(value) for column, value in row.items()} == list_columns(emotions)
    assert list(row) == list(list_columns(emotions)) == ["emotion", *emotions, "duration_s", "warning"]


@pytest.mark.parametrize(
    ("row", "error"),
    [
        *(({name: value for name, value in ROW.items() if name != column}, KeyError) for column in list_columns([])),
        ({**ROW, "fear": "likely"}, ValueError),
        ({**ROW, "duration_s": None}, TypeError),
        ([], TypeError),
    ],
)
def test_another_reply_is_no_answer(row: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Answer.from_row(row)
