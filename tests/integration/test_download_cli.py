"""`--download` as its user sees it: stopped, killed and run again, then extracted and swept over."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT, SIGKILL, Signals

import pytest

from tests.support.command_runner import EXTRACT, SWEEP, run, running
from tests.support.fake_github import Publisher, clips_in, published

pytestmark = pytest.mark.integration


@pytest.fixture
def publisher(corpus_dir: Path) -> Iterator[Publisher]:
    some = dict(list(clips_in(corpus_dir / "AudioWAV").items())[:60])
    with published(some) as server:
        yield server


@pytest.mark.parametrize("signal", [SIGINT, SIGKILL])
def test_a_download_that_was_stopped_goes_on(tmp_path: Path, publisher: Publisher, signal: Signals) -> None:
    words = [sys.executable, EXTRACT, "--download-from", publisher.addresses, "--store", tmp_path / "store"]
    sound = tmp_path / "data" / "cremad" / "AudioWAV"
    publisher.delay_s = 0.2
    with running(*words, folder=tmp_path) as command:
        command.wait_until(lambda: len(list(sound.glob("*.wav"))) >= 5)
        command.signal(signal)
        asked = time.monotonic()
        ended = command.end()
    assert time.monotonic() - asked < 10
    assert "Traceback" not in ended.seen
    if signal == SIGINT:
        assert (ended.code, "Downloaded files and extracted features are kept." in ended.stdout) == (130, True), (
            ended.seen
        )
    n_kept = len(list(sound.glob("*.wav")))
    assert 5 <= n_kept < 60
    publisher.delay_s = 0.0
    again = run(*words, folder=tmp_path)
    assert again.code == 0, again.seen
    assert f": {60 - n_kept} clips fetched, {n_kept} were there, all checksums match" in again.stdout
    assert "Features of 60 clips" in again.stdout
    assert {f"/media/AudioWAV/{name}.wav" for name in clips_in(sound)} <= set(publisher.files)
    assert all(publisher.files[f"/media/AudioWAV/{name}.wav"] == data for name, data in clips_in(sound).items())


def test_a_missing_corpus_is_answered_with_the_offer(tmp_path: Path) -> None:
    ended = run(sys.executable, SWEEP, "--plan", "quick", folder=tmp_path)
    assert ended.code == 2, ended.seen
    assert "data/cremad is not a folder" in ended.stdout
    assert "--download fetches it from https://github.com/CheyneyComputerScience/CREMA-D" in ended.stdout


def test_a_sweep_fetches_first_and_says_what_it_cannot_have(tmp_path: Path, publisher: Publisher) -> None:
    del publisher.files[next(path for path in publisher.files if path.startswith("/media"))]
    ended = run(sys.executable, SWEEP, "--plan", "quick", "--download-from", publisher.addresses, folder=tmp_path)
    assert ended.code == 2, ended.seen
    assert "1 of 60 clips of CREMA-D are missing" in ended.stdout
    assert "the server answers 404 Not Found" in ended.stdout
    assert ended.stdout.strip().endswith("run the same command again, fetched files are kept")
    other = run(sys.executable, SWEEP, "--plan", "demo", "--download", folder=tmp_path)
    assert (other.code, "--download fetches cremad only, not synthetic" in other.stdout) == (2, True), other.seen
