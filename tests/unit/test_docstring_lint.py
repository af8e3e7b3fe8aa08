"""The lint rule finds what it bans, wherever a docstring may stand, and nothing else."""

import pytest

from tests.support.docstring_lint import BANNED, find_banned

SOURCE = '''"""{module}"""

class Network:
    """{cls}"""

    def predict(self):
        """{method}"""

async def serve():
    """Serve."""
'''


@pytest.mark.parametrize("place", ["module", "cls", "method"])
@pytest.mark.parametrize("word", sorted(BANNED))
def test_a_question_word_is_found_in_each_place(word: str, place: str) -> None:
    texts = {"module": "Networks.", "cls": "A network.", "method": "Predict."}
    source = SOURCE.format(**{**texts, place: f"{word.capitalize()} a network predicts."})
    assert [text for _, text in find_banned(source)] == [f"{word.capitalize()} a network predicts."]


@pytest.mark.parametrize(
    "text", ["Offset of a clip.", "Whatever the order.", "Network of one cell, of what kind.", "Howl."]
)
def test_other_words_are_left_alone(text: str) -> None:
    assert list(find_banned(SOURCE.format(module=text, cls=text, method=text))) == []
