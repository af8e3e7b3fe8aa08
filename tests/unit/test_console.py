"""Progress of an extraction, in a log and on a terminal."""

import io
import re
import time

import pytest
from rich.console import Console

from ser import console as progress
from ser.console import show_clip_progress


@pytest.mark.parametrize("every_s", [0.0, 3600.0])
def test_a_log_gets_a_line_now_and_then(monkeypatch, every_s):
    monkeypatch.setattr(progress, "_LINE_EVERY_S", every_s)
    log = io.StringIO()
    with show_clip_progress(Console(file=log, width=120), 1_200) as tell:
        time.sleep(0.1)
        tell(300, 2)
    if every_s:
        assert log.getvalue() == ""
        return
    line = r"Features of 300 of 1,200 clips, ([\d,]+) clips/s, about 0:00:0(\d) left, 2 cannot be used\n"
    match = re.fullmatch(line, log.getvalue())
    assert match is not None
    per_s = int(match[1].replace(",", ""))
    assert 0 < per_s <= 3000
    assert abs(int(match[2]) - 900 / per_s) <= 0.6


def test_a_terminal_gets_a_bar_that_goes_when_it_is_done():
    screen = io.StringIO()
    with show_clip_progress(Console(file=screen, force_terminal=True, width=120), 1_200) as tell:
        tell(0, 0)
        time.sleep(0.1)
        tell(300, 2)
    assert "300 of 1,200 clips" in screen.getvalue()
    assert "2 cannot be used" in screen.getvalue()
