"""Passwords in addresses and commands."""

import pytest

from ser.redaction import redact


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("postgresql://me:secret@db:5432/mlflow", "postgresql://me:***@db:5432/mlflow"),
        ("http://me:s:e@host", "http://me:***@host"),
        ("http://host:5000/a@b", "http://host:5000/a@b"),
        ("sqlite:////tmp/mlflow.db", "sqlite:////tmp/mlflow.db"),
        ("mysql://u:p/w@rd@db/ser", "mysql://u:***@db/ser"),
        ("postgresql://db/ser?user=u&password=p1&x=2", "postgresql://db/ser?user=u&password=***&x=2"),
        (
            "python x.py --a http://u:p@h:5 --b 'http://u:q@h' --m models:/m@champion",
            "python x.py --a http://u:***@h:5 --b 'http://u:***@h' --m models:/m@champion",
        ),
    ],
)
def test_a_password_is_never_shown(uri: str, text: str) -> None:
    assert redact(uri) == text
