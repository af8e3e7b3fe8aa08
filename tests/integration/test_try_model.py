"""The demo page in a real browser: a file is chosen, a voice recorded, a wrong file refused."""

import http.client
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM

import pytest

from ser.audio import decode
from ser.experiment.bundle import Classifier, load_bundle
from ser.report.leaderboard import leaderboard
from tests.support.command_runner import REPOSITORY, free_port, running
from tests.support.headless_browser import Page, browser
from tests.support.sweep_results import FinishedSweep

pytestmark = pytest.mark.integration

SHOWN = "!document.getElementById('result').hidden"
# Number of different colours among some pixels of a canvas.
COLOURS = """(() => {{
  const canvas = document.getElementById('{}');
  const {{ data }} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4 * 37) seen.add(data.slice(i, i + 4).join());
  return seen.size;
}})()"""


@pytest.fixture(scope="module")
def page_port(finished: FinishedSweep, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """`python tune/try_model.py` under way, with the champion of the finished sweep."""
    port, folder = free_port(), tmp_path_factory.mktemp("page")
    words = ["--model", "models:/ser-synthetic@champion", "--port", port, "--no-browser"]
    words += ["--tracking-uri", f"sqlite:///{finished.folder}/mlflow.db"]
    with running(sys.executable, REPOSITORY / "tune" / "try_model.py", *words, folder=folder) as command:
        command.wait_until(lambda: f"Open http://127.0.0.1:{port}" in command.text)
        yield port
        # Its model's server is a session of its own, which it ends.
        command.signal(SIGTERM)
        ended = command.end(timeout_s=60)
        assert (ended.code, ended.stdout.splitlines()[-1]) == (0, "Ended.")


@pytest.fixture(scope="module")
def clip(corpus_dir: Path) -> Path:
    return sorted((corpus_dir / "AudioWAV").glob("1021_*.wav"))[0]


@pytest.fixture(scope="module")
def page(page_port: int, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("browser"), microphone=clip) as opened:
        opened.open(f"http://127.0.0.1:{page_port}", width=1280, height=860)
        yield opened


def shares(page: Page) -> dict[str, float]:
    """The bars' labels and percentages."""
    texts = page.value("[...document.querySelectorAll('#bars dt, #bars .share')].map((cell) => cell.textContent)")
    return {emotion: float(share.removesuffix(" %")) for emotion, share in zip(texts[::2], texts[1::2], strict=True)}


def test_the_page_shows_the_prediction_and_plots_of_a_clip(finished: FinishedSweep, page: Page, clip: Path) -> None:
    page.choose_file("#file", clip)
    page.wait_for(SHOWN)
    best = finished.record.trials[leaderboard(finished.record)[0].key]
    classifier = Classifier(load_bundle(Path(best.ended.bundle)))
    expected = dict(zip(classifier.emotions, classifier.predict_probabilities(decode(clip.read_bytes())), strict=True))
    assert shares(page) == pytest.approx({name: 100 * float(p) for name, p in expected.items()}, abs=0.06)
    assert page.value("document.getElementById('emotion').textContent") == max(expected, key=expected.__getitem__)
    assert page.value(COLOURS.format("mel")) > 100
    assert page.value(COLOURS.format("wave")) > 1
    assert page.value("document.documentElement.scrollWidth <= window.innerWidth")
    page.wait_for("document.getElementById('player').duration > 0.5")


def test_the_prediction_of_a_recording_is_shown(page: Page) -> None:
    page.value("document.getElementById('record').click()")
    page.wait_for("document.getElementById('record-text').textContent.startsWith('Stop (2')")
    page.value("document.getElementById('record').click()")
    page.wait_for("document.getElementById('name').textContent === 'Recording'")
    assert sum(shares(page).values()) == pytest.approx(100, abs=0.4)
    seconds = page.value("parseFloat(document.getElementById('facts').textContent)")
    assert 1 < seconds < 10


def test_a_file_that_is_no_sound_is_a_one_line_error(page: Page, tmp_path: Path) -> None:
    wrong = tmp_path / "notes.wav"
    wrong.write_text("these are words, not sound " * 40)
    page.choose_file("#file", wrong)
    page.wait_for("!document.getElementById('error').hidden")
    said = page.value("document.getElementById('error').textContent")
    assert said.startswith("notes.wav: cannot be read as sound")
    assert page.value("document.getElementById('result').hidden")


def test_it_fits_a_phone(page: Page, page_port: int, clip: Path) -> None:
    page.open(f"http://127.0.0.1:{page_port}", width=390, height=844, phone=True)
    page.choose_file("#file", clip)
    page.wait_for(SHOWN)
    assert page.value("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 200), ({"Host": "elsewhere.example"}, 403), ({"Origin": "https://elsewhere.example"}, 403)],
    ids=["own", "other host name", "other site"],
)
def test_other_sites_are_refused(page_port: int, headers: dict[str, str], status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", page_port, timeout=30)
    connection.request("POST", "/hear", b"no sound", headers)
    answer = connection.getresponse()
    assert answer.status == status
    if status == 200:
        assert json.load(answer)["error"].startswith("cannot be read as sound")
    connection.close()
