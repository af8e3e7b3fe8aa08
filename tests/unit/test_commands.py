"""Options that the commands refuse before they read anything."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("train_one.py", "run=abc", "training.lr=0.01", "model.dropout=0.1"),
            "error: run=... is trained with its own settings: omit training.lr, model.dropout",
        ),
        (("extract_features.py", "--prune", "--store", "elsewhere"), "--prune with --store needs --home too"),
    ],
)
def test_options_that_would_be_ignored_or_wrong_are_refused(
    words: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    script, *others = words
    command = [sys.executable, str(REPOSITORY / "tune" / script), *others]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, list(tmp_path.iterdir())) == (2, [])
    assert message in ended.stdout + ended.stderr
