"""The champion behind HTTP: the numbers that its evaluation had, in every form of request, kind of file and batch."""

import base64
import csv
import json
import os
import re
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.artifacts import download_artifacts
from mlflow.models import Model

from ser.audio import decode
from ser.experiment.bundle import Classifier
from tests.support.command_runner import MLFLOW, REPOSITORY, run
from tests.support.model_server import ALONE, CHAMPION, FORMS, Server, as_kind, cut, request_of, scaled, sound, text
from tests.support.sweep_results import FinishedSweep

pytestmark = pytest.mark.integration

SAMPLE = REPOSITORY / "mlflow" / "sample_request.json"
NOT_NEEDED = {"librosa", "numba", "ray", "optuna", "sklearn", "matplotlib", "IPython"}
OFFLINE = """
import json, sys
import mlflow.pyfunc, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
rows = model.predict(pandas.DataFrame({"audio": json.load(open(sys.argv[2]))})).to_dict("records")
print(json.dumps({"rows": rows, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


@pytest.fixture(scope="module")
def texts(corpus_dir: Path) -> list[str]:
    """Clips of all lengths, whole and cut."""
    waves = [path.read_bytes() for path in sorted((corpus_dir / "AudioWAV").glob("1021_*.wav"))[:6]]
    return [text(data) for data in (*waves, cut(waves[0], 0.3), cut(waves[1], 0.01))]


@pytest.fixture(scope="module")
def offline(finished: FinishedSweep, texts: list[str]) -> dict[str, Any]:
    """What a process that knows nothing but the model's address makes of the clips."""
    (finished.folder / "rows.json").write_text(json.dumps(texts))
    ended = run(sys.executable, "-c", OFFLINE, CHAMPION, "rows.json", folder=finished.folder, variables=ALONE)
    assert ended.code == 0, ended.seen
    return dict(json.loads(ended.stdout.splitlines()[-1]))


def champion_folder(finished: FinishedSweep) -> Path:
    """Where its model was logged."""
    source = finished.client.get_model_version_by_alias("ser-synthetic", "champion").source
    return Path(finished.client.get_logged_model(source.split("/")[-1]).artifact_location)


def probabilities(row: dict[str, Any], classifier: Classifier) -> list[float]:
    return [row[emotion] for emotion in classifier.emotions]


def check_answer(row: dict[str, Any], data: bytes, classifier: Classifier) -> None:
    wave = decode(data)
    expected = classifier.predict_probabilities(wave)
    np.testing.assert_allclose(probabilities(row, classifier), expected, atol=1e-6)
    assert row["emotion"] == classifier.emotions[int(expected.argmax())]
    assert row["duration_s"] == len(wave) / 16_000


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_request_gives_what_a_fresh_process_gives_to_the_last_bit(
    server: Server, texts: list[str], offline: dict[str, Any], form: str
) -> None:
    assert server.ask(texts, form).rows == offline["rows"]


def test_a_clip_gets_the_same_answer_alone_as_among_others(
    server: Server, texts: list[str], offline: dict[str, Any]
) -> None:
    alone = [server.ask([one]).rows[0] for one in texts]
    assert alone == offline["rows"]


def test_served_probabilities_are_those_of_the_evaluation_to_the_last_bit(
    finished: FinishedSweep, server: Server, corpus_dir: Path
) -> None:
    run_id = finished.client.get_model_version_by_alias("ser-synthetic", "champion").run_id
    uri = f"runs:/{run_id}/predictions.csv"
    path = download_artifacts(artifact_uri=uri, tracking_uri=f"sqlite:///{finished.folder}/mlflow.db")
    with Path(path).open() as file:
        evaluated = list(csv.DictReader(file))
    assert len(evaluated) == finished.record.facts.n_validation + finished.record.facts.n_test
    files = [corpus_dir / "AudioWAV" / f"{row['clip']}.wav" for row in evaluated]
    answers = server.ask([text(path.read_bytes()) for path in files]).rows
    for row, answer in zip(evaluated, answers, strict=True):
        assert answer["emotion"] == row["prediction"]
        for emotion in finished.record.facts.emotions:
            assert answer[emotion] == float(row[emotion]), (row["clip"], emotion)


def test_the_process_needs_few_libraries_and_pins_them(finished: FinishedSweep, offline: dict[str, Any]) -> None:
    assert not NOT_NEEDED & set(offline["modules"])
    pins = (champion_folder(finished) / "requirements.txt").read_text().split()
    names = ["mlflow", "numpy", "pandas", "safetensors", "scipy", "soundfile", "soxr", "threadpoolctl", "torch"]
    assert pins == [f"{name}=={version(name).split('+')[0]}" for name in names]


def test_the_server_process_has_neither_ray_nor_numba_in_its_memory(server: Server) -> None:
    children = Path(f"/proc/{server.process}/task/{server.process}/children").read_text().split()
    maps = "".join(Path(f"/proc/{child}/maps").read_text() for child in children)
    assert "libtorch" in maps
    assert "_raylet" not in maps
    assert "numba" not in maps
    assert os.sep + "sklearn" + os.sep not in maps


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_every_kind_of_file_is_heard(server: Server, corpus_dir: Path, classifier: Classifier, kind: str) -> None:
    data = as_kind(next((corpus_dir / "AudioWAV").glob("*.wav")).read_bytes(), kind)
    (row,) = server.ask([text(data)]).rows
    check_answer(row, data, classifier)
    assert sum(probabilities(row, classifier)) == pytest.approx(1)
    assert list(row) == ["emotion", *classifier.emotions, "duration_s", "warning"]


def test_the_sample_request_is_a_voice_and_is_answered(server: Server, classifier: Classifier) -> None:
    body = SAMPLE.read_bytes()
    assert len(body) < 20_000
    (row,) = json.loads(body)["dataframe_records"]
    (answer,) = server.post(body).rows
    check_answer(answer, base64.b64decode(row["audio"]), classifier)


def test_a_clip_unlike_the_training_clips_is_answered_with_a_warning(server: Server, corpus_dir: Path) -> None:
    usual = next((corpus_dir / "AudioWAV").glob("*.wav")).read_bytes()
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000 * 20)
    clips = [
        usual,
        cut(usual, 0.2),
        sound(noise),
        scaled(usual, 0.001),
        scaled(usual, 1000),
        cut(scaled(usual, 0.001), 0.2),
    ]
    seen = [row["warning"] for row in server.ask([text(clip) for clip in clips]).rows]
    assert seen[0] == ""
    assert seen[1].startswith("shorter than every training clip: 0.20 s, they lasted ")
    assert seen[2].startswith("longer than every training clip: 20.00 s, they lasted ")
    assert seen[3].startswith("quieter than every training clip: peak at -")
    assert seen[4].startswith("clipped: ")
    assert [part.split(":")[0] for part in seen[5].split("; ")] == [
        "shorter than every training clip",
        "quieter than every training clip",
    ]


def test_the_logged_example_and_signature_fit_the_model(finished: FinishedSweep, server: Server) -> None:
    folder = champion_folder(finished)
    (row,) = server.post((folder / "serving_input_example.json").read_bytes()).rows
    signature = Model.load(folder).signature
    assert signature.inputs.input_names() == ["audio"]
    assert signature.outputs.input_names() == list(row)


def test_a_full_batch_is_taken_and_one_row_more_is_refused(server: Server, texts: list[str]) -> None:
    assert len(server.post(request_of(texts[-1:] * 256)).rows) == 256
    assert server.post(request_of(texts[-1:] * 257)).status == 422


def test_a_bundle_of_an_older_version_is_refused_in_one_sentence(finished: FinishedSweep, tmp_path: Path) -> None:
    shutil.copytree(champion_folder(finished), tmp_path / "old")
    (path,) = (tmp_path / "old" / "artifacts").glob("*/experiment.json")
    content = json.loads(path.read_text())
    del content["temperature"]
    path.write_text(json.dumps(content))
    ended = run(MLFLOW, "models", "serve", "-m", tmp_path / "old", "--env-manager", "local", folder=tmp_path)
    assert ended.code != 0, ended.seen
    assert "KeyError" not in ended.seen
    said = rf"^ser\.errors\.UserError: a bundle must hold .*, {path.parent} lacks temperature: another version of ser"
    assert re.search(said, ended.seen, re.MULTILINE), ended.seen
