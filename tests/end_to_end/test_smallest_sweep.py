"""From clips to a served answer by the real commands: a sweep, its runs in MLflow, its champion behind HTTP.

The clips are real where there are any, else synthetic; the head of a run of pytest says which.
"""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.artifacts import download_artifacts
from mlflow.tracking import MlflowClient

from ser.sweep.state import replay
from tests.support.command_runner import run_sweep
from tests.support.model_server import serving, text
from tests.support.sweep_results import journal_of

REAL_CLIPS = Path(__file__).resolve().parents[3] / "shared" / "cremad"
PLAN = """
corpus = "{corpus}"
cells = ["lenet5-1d"]
trials_per_cell = 1
max_epochs = 2
grace_epochs = 1
[settings]
"training.precision" = "float32"
"training.memory_format" = "contiguous"
"""


@pytest.fixture
def corpus(tmp_path: Path, synthetic_dir: Path) -> tuple[str, Path]:
    """Name and folder of a corpus of a few speakers."""
    if not REAL_CLIPS.is_dir():
        return "synthetic", synthetic_dir
    unpack: list[str | Path] = [sys.executable, REAL_CLIPS / "unpack", tmp_path / "corpus", "--actors", "3"]
    subprocess.run(unpack, check=True, capture_output=True)
    return "cremad", tmp_path / "corpus"


def test_a_sweep_is_in_mlflow_and_its_champion_answers_as_it_was_evaluated(
    corpus: tuple[str, Path], tmp_path: Path
) -> None:
    name, clips = corpus
    (tmp_path / "smallest.toml").write_text(PLAN.format(corpus=name))
    words = ["--plan", tmp_path / "smallest.toml", "--corpus-dir", clips, "--name", "smallest"]
    ended = run_sweep(*words, folder=tmp_path)
    assert ended.code == 0, ended.seen
    assert f"mlflow models serve -m models:/ser-{name}@champion --env-manager local" in ended.stdout
    (trial,) = replay(journal_of(tmp_path / ".ser", "smallest")).trials.values()

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri)
    champion = client.get_run(client.get_model_version_by_alias(f"ser-{name}", "champion").run_id)
    assert champion.info.status == "FINISHED"
    assert champion.data.tags["ser.trial"] == str(trial.key)
    points = client.get_metric_history(champion.info.run_id, "val_uar")
    assert [point.step for point in points] == [1, 2]
    predictions = f"runs:/{champion.info.run_id}/predictions.csv"
    rows = list(csv.DictReader(Path(download_artifacts(predictions, tracking_uri=uri)).read_text().splitlines()))
    evaluated = [row for row in rows if row["part"] == "test"][:3]

    with serving(tmp_path, model=f"models:/ser-{name}@champion") as server:
        answers = server.ask([text((clips / "AudioWAV" / f"{row['clip']}.wav").read_bytes()) for row in evaluated]).rows
    assert len(answers) == 3
    for row, answer in zip(evaluated, answers, strict=True):
        assert answer["emotion"] == row["prediction"]
        assert all(answer[emotion] == float(row[emotion]) for emotion in set(row) & set(answer) - {"emotion"})
