"""What commit dde0c6b wrote, used by the commands of this version: served, reported, resumed, promoted, repeated.

`tests/reference/keep_earlier_version.py` made the archive.
"""

import csv
import json
import re
import sqlite3
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_runner import REPOSITORY, Command, Finished, run, running
from tests.support.model_server import ALONE, serving, text
from tests.support.relocation import relocate

pytestmark = pytest.mark.integration

COMMIT = "dde0c6b"
WORKS = ""
# What each command does with what that commit wrote: it works, or it refuses in one line, which this pattern finds.
# Registered models are not here: they carry the code that they were logged with, so that they are always served.
EXPECTED = {
    "report finished": WORKS,
    "resume finished": WORKS,
    "resume interrupted": "sweep 'interrupted' trains lenet5-1d on version 2 of the 1-D features, this is version 3",
    "promote": WORKS,
    "doctor": WORKS,
    "train_one lenet5-1d": "was trained on version 2 of the 1-D features, this is version 3",
    "train_one lenet5-2d": WORKS,
}

ARCHIVE = REPOSITORY / "tests" / "reference" / "results" / f"{COMMIT}.tar.xz"
MADE_IN = f"/tmp/ser-{COMMIT}/"
CELLS = ("lenet5-1d", "lenet5-2d")
REFUSED = 2


@pytest.fixture
def home(tmp_path: Path, corpus_dir: Path) -> Path:
    """A folder of its own with the kept sweeps, tracker and corpus."""
    return unpack(tmp_path / "kept", corpus_dir)


@dataclass(frozen=True)
class Resuming:
    """The interrupted sweep, being resumed in a folder of its own; `before` is its journal as it was kept."""

    folder: Path
    before: bytes
    command: Command


@pytest.fixture(scope="module", autouse=True)
def resuming(tmp_path_factory: pytest.TempPathFactory, corpus_dir: Path) -> Iterator[Resuming]:
    """Started before the first test, because it takes longest and leaves time for the others."""
    folder = unpack(tmp_path_factory.mktemp("resumed") / "kept", corpus_dir)
    before = journal_of(folder, "interrupted").read_bytes()
    words = [sys.executable, script("run_sweep.py"), "--resume", "interrupted"]
    with running(*words, folder=folder, variables=ALONE) as command:
        yield Resuming(folder, before, command)


@pytest.mark.parametrize("cell", CELLS)
def test_a_registered_model_is_served_with_the_probabilities_that_were_kept(
    home: Path, corpus_dir: Path, cell: str
) -> None:
    (bundle,) = home.glob(f".ser/sweeps/finished/trials/run-001/{cell}-000/checkpoint_*")
    kept = list(csv.DictReader((bundle / "predictions.csv").read_text().splitlines()))[:20]
    emotions = json.loads((bundle / "experiment.json").read_text())["emotions"]
    sounds = [text((corpus_dir / "AudioWAV" / f"{row['clip']}.wav").read_bytes()) for row in kept]
    with serving(home, model=f"models:/ser-synthetic@{cell}") as server:
        answers = server.ask(sounds).rows
    assert len(answers) == len(kept) == 20
    for row, answer in zip(kept, answers, strict=True):
        assert answer["emotion"] == row["prediction"]
        assert [answer[name] for name in emotions] == pytest.approx([float(row[name]) for name in emotions], abs=1e-6)


def test_the_finished_sweep_is_reported(home: Path, tmp_path: Path) -> None:
    ended = call(home, "report.py", "--sweep", "finished", "--out", tmp_path / "out")
    if works("report finished", ended):
        (logged,) = home.glob("mlruns/1/*/artifacts/report/tables/leaderboard.csv")
        before, after = (read_table(path) for path in (logged, tmp_path / "out" / "tables" / "leaderboard.csv"))
        for cell in CELLS:
            for name in ("val_uar", "test_uar"):
                assert float(after[cell][name]) == pytest.approx(float(before[cell][name]))


def test_resuming_the_finished_sweep_changes_nothing(home: Path) -> None:
    journal, runs = journal_of(home, "finished").read_bytes(), statuses(home)
    ended = call(home, "run_sweep.py", "--resume", "finished")
    if works("resume finished", ended):
        assert "Best by validation: lenet5-1d (trial finished/lenet5-1d/000)" in ended.stdout
    assert journal_of(home, "finished").read_bytes() == journal
    assert statuses(home) == runs


def test_the_registered_champion_is_judged_and_nothing_is_changed(home: Path) -> None:
    tracker = (home / "mlflow.db").read_bytes()
    ended = call(home, "promote.py", "--corpus", "synthetic", "--dry-run")
    if works("promote", ended, code=1):
        assert "is the champion already" in ended.stdout
    assert (home / "mlflow.db").read_bytes() == tracker


def test_the_doctor_tells_of_both_sweeps(home: Path) -> None:
    ended = call(home, "doctor.py", "--corpus", "synthetic")
    if works("doctor", ended):
        assert "1 of 2 sweeps are finished" in ended.stdout
        assert "run_sweep.py --resume interrupted" in ended.stdout
        assert "none damaged" in ended.stdout


def test_the_interrupted_sweep_is_resumed_to_its_end(resuming: Resuming) -> None:
    folder, before, ended = resuming.folder, resuming.before, resuming.command.end()
    journal = journal_of(folder, "interrupted").read_bytes()
    if not works("resume interrupted", ended):
        assert journal == before
        return
    assert journal.startswith(before)
    events = read_journal(journal)
    assert (events[-1]["kind"], events[-1]["outcome"]) == ("closed", "finished")
    ends = {(event["cell"], event["number"]): event["outcome"] for event in events if event["kind"] == "ended"}
    assert ends.keys() == {(cell, number) for cell in CELLS for number in range(2)}
    assert set(ends.values()) <= {"completed", "pruned"}
    reports = [event for event in events if event["kind"] == "reported"]
    epochs = Counter((event["cell"], event["number"], event["epoch"]) for event in reports)
    assert set(epochs.values()) == {1}, "an epoch was trained twice"
    assert statuses(folder)["interrupted"].keys() <= {"FINISHED", "KILLED"}


@pytest.mark.parametrize("cell", CELLS)
def test_a_logged_run_is_repeated(resuming: Resuming, cell: str) -> None:
    """In the folder whose features the resumed sweep has extracted."""
    resuming.command.end()
    run_id = run_of(resuming.folder, f"finished/{cell}/000")
    ended = call(resuming.folder, "train_one.py", f"run={run_id}")
    if works(f"train_one {cell}", ended):
        assert re.search(f"Run {run_id} agrees (exactly|within tolerance)", ended.stdout), ended.seen


def script(name: str) -> Path:
    return REPOSITORY / "tune" / name


def call(folder: Path, name: str, *words: object) -> Finished:
    """Run a script of this version in a kept folder."""
    return run(sys.executable, script(name), *words, folder=folder, variables=ALONE)


def works(what: str, ended: Finished, *, code: int = 0) -> bool:
    """True if a command did its work, False if it refused in one line, whichever the table expects."""
    assert "Traceback" not in ended.seen, ended.seen
    if EXPECTED[what] == WORKS:
        assert ended.code == code, ended.seen
        return True
    assert ended.code == REFUSED, ended.seen
    (line,) = ended.seen.strip().splitlines()
    assert re.match(f"error: .*{EXPECTED[what]}", line)
    return False


def unpack(folder: Path, corpus_dir: Path) -> Path:
    """Write the kept files to `folder`, which is named in them from then on; the corpus is a link."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    relocate(folder, made_in=MADE_IN)
    (folder / "data").mkdir()
    (folder / "data" / "synthetic").symlink_to(corpus_dir)
    return folder


def query(folder: Path, sql: str, *values: str) -> list[Any]:
    """Rows of the tracker's database."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        return connection.execute(sql, values).fetchall()


def run_of(folder: Path, trial: str) -> str:
    """Id of the MLflow run of a trial."""
    ((run_id,),) = query(folder, "SELECT run_uuid FROM tags WHERE key = 'ser.trial' AND value = ?", trial)
    return str(run_id)


def statuses(folder: Path) -> dict[str, Counter[str]]:
    """How many runs of each sweep have each status."""
    sql = "SELECT value, status FROM runs JOIN tags USING (run_uuid) WHERE key = 'ser.sweep'"
    rows = query(folder, sql)
    return {sweep: Counter(status for name, status in rows if name == sweep) for sweep, _ in rows}


def journal_of(folder: Path, sweep: str) -> Path:
    return folder / ".ser" / "sweeps" / sweep / "journal.jsonl"


def read_journal(content: bytes) -> list[dict[str, Any]]:
    """Events of a journal, without importing what reads them in `ser`."""
    return [json.loads(line.partition(b" ")[2]) for line in content.splitlines()]


def read_table(path: Path) -> dict[str, dict[str, str]]:
    """Rows of a table of the report by their cell."""
    return {row["cell"]: row for row in csv.DictReader(path.read_text().splitlines())}
