"""Acquisition of a corpus: where it comes from, and its progress, a bar on a terminal, occasional lines in a log."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from ser.commands import corpus_acquisition
from ser.commands.corpus_acquisition import _format_progress, acquire_corpus
from ser.corpora.base import CorpusError
from ser.corpora.cremad import SYNTHETIC_MARK
from ser.corpora.download.cremad import OFFICIAL, Addresses, DownloadProgress, download
from tests.support.fake_github import Publisher, published

CLIPS = {f"1001_DFA_{code}_XX": bytes(1000) for code in ("ANG", "SAD", "NEU")}


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with published(CLIPS) as server:
        yield server


def acquire(folder: Path, publisher: Publisher, *, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=200, soft_wrap=True)
    acquire_corpus("cremad", folder, download_from=publisher.addresses, console=console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_clips_megabytes_a_second_and_the_time_left_are_shown() -> None:
    progress = DownloadProgress(7442, n_kept=442, n_fetched=1000, n_bytes=80_000_000)
    assert _format_progress(progress, 40.0) == "1,442 of 7,442 clips, 2.0 MB/s, about 0:04:00 left"
    assert _format_progress(DownloadProgress(7442, n_kept=10), 1.0) == "10 of 7,442 clips, 0.0 MB/s"


def test_a_log_gets_a_line_now_and_then(tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    assert acquire(tmp_path / "quick", publisher, terminal=False).splitlines() == [
        f"CREMA-D in {tmp_path}/quick: 3 clips fetched, 0 were there, all checksums match"
    ]
    monkeypatch.setattr(corpus_acquisition, "_LINE_EVERY_S", 0.0)
    *lines, last = acquire(tmp_path / "slow", publisher, terminal=False).splitlines()
    assert [line.partition(", ")[0] for line in lines] == [f"Download: {n} of 3 clips" for n in (1, 2, 3)]
    assert "3 clips fetched" in last


def test_a_terminal_gets_a_bar(tmp_path: Path, publisher: Publisher) -> None:
    seen = acquire(tmp_path, publisher, terminal=True)
    assert "Download" in seen
    assert "3 of 3 clips" in seen


def test_only_cremad_is_fetched_and_only_a_local_synthetic_corpus_is_made(tmp_path: Path) -> None:
    quiet = Console(quiet=True)
    with pytest.raises(CorpusError, match="--download fetches cremad only, not savee: omit it"):
        acquire_corpus("savee", tmp_path, download_from="http://a,http://b", console=quiet)
    for corpus, place in (("savee", tmp_path), ("cremad", tmp_path), ("synthetic", "memory://nowhere")):
        acquire_corpus(corpus, place, download_from=None, console=quiet)
    assert list(tmp_path.iterdir()) == []


def test_a_synthetic_corpus_is_made_where_a_file_url_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []
    monkeypatch.setattr(corpus_acquisition, "make_synthetic", made.append)
    acquire_corpus("synthetic", f"file://{tmp_path}/made", download_from=None, console=Console(quiet=True))
    assert made == [tmp_path / "made"]


def test_places_that_are_not_for_it_are_refused(tmp_path: Path, publisher: Publisher) -> None:
    addresses = Addresses.parse(publisher.addresses)
    with pytest.raises(CorpusError, match="writes to a folder of this machine, not to s3://bucket"):
        download("s3://bucket", addresses, on_progress=print)
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / SYNTHETIC_MARK).write_text("{}")
    with pytest.raises(CorpusError, match="holds the synthetic corpus"):
        download(tmp_path / "made", addresses, on_progress=print)
    (tmp_path / "file").write_text("")
    with pytest.raises(CorpusError, match=r"cannot be written \(.*\): free some space"):
        download(tmp_path / "file", addresses, on_progress=print)


def test_the_official_addresses_are_two() -> None:
    official = Addresses.parse(OFFICIAL)
    assert official.pointers.startswith("https://raw.githubusercontent.com/CheyneyComputerScience/CREMA-D/")
    assert official.media.startswith("https://media.githubusercontent.com/media/CheyneyComputerScience/CREMA-D/")
    with pytest.raises(CorpusError, match="must be two addresses joined by a comma"):
        Addresses.parse("http://one")
