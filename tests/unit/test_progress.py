"""Progress of an extraction, in a log and on a terminal."""

import io

import pytest
from rich.console import Console

from ser.distributed import progress
from ser.distributed.progress import extraction_progress


@pytest.mark.parametrize("every_s", [0.0, 3600.0])
def test_a_log_gets_a_line_now_and_then(monkeypatch, every_s):
    monkeypatch.setattr(progress, "_LINE_EVERY_S", every_s)
    log = io.StringIO()
    with extraction_progress(Console(file=log, width=120), 1_200) as tell:
        tell(300, 100.0)
    expected = "Features of 300 of 1,200 clips, 100 clips/s, about 0:00:09 left\n"
    assert log.getvalue() == (expected if every_s == 0 else "")


def test_a_terminal_gets_a_bar_that_goes_when_it_is_done():
    screen = io.StringIO()
    with extraction_progress(Console(file=screen, force_terminal=True, width=120), 1_200) as tell:
        tell(300, 100.0)
    assert "300 of 1,200 clips" in screen.getvalue()
