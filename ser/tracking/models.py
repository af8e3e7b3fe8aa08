"""Trained networks as MLflow models: code and safetensors, no pickle, explicit requirements."""

import base64
import io
import tempfile
from importlib.metadata import version
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
import soundfile
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import DataType
from mlflow.types.schema import ColSpec, Schema

import ser
from ser.audio import SAMPLE_RATE_HZ
from ser.corpora.base import CORPORA
from ser.experiment.experiment import Experiment
from ser.serving.answer import AUDIO, list_columns
from ser.tracking import tags
from ser.tracking.runs import Runs

_TYPES = {str: DataType.string, float: DataType.double}
_REQUIREMENTS = ("mlflow", "numpy", "pandas", "safetensors", "scipy", "soundfile", "soxr", "threadpoolctl", "torch")


def log_model(runs: Runs, run_id: str, *, name: str, bundle: Path, experiment: Experiment) -> str:
    """Log the model in a bundle as the only model of a run; a complete model of the run is kept.

    Args:
        runs: of the sweep.
        run_id: of the run that trained the model.
        name: of the model.
        bundle: folder of the bundle.
        experiment: settings of the training.

    Returns:
        Id of the model.
    """
    model = find_model(runs.client, runs.experiment_id, run_id)
    if model is None:
        model = runs.client.create_logged_model(
            runs.experiment_id, name=name, source_run_id=run_id, tags={tags.SWEEP_ID: runs.sweep_id}
        )
    if model.status != LoggedModelStatus.READY:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            _save_model(path, model, run_id, bundle, experiment)
            runs.client.log_model_artifacts(model.model_id, str(path))
        _log_output(runs, run_id, model.model_id)
        runs.client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    return model.model_id


def find_model(client: MlflowClient, experiment_id: str, run_id: str) -> LoggedModel | None:
    """Find the model that was logged for a run, complete ones first; None if there is none."""
    query = f"source_run_id = '{run_id}'"
    found = client.search_logged_models([experiment_id], filter_string=query)
    return min(found, key=lambda model: model.status != LoggedModelStatus.READY, default=None)


def remove_unfinished_models(runs: Runs) -> None:
    """Delete incomplete models of a sweep; a request that the tracker executed after its timeout leaves one."""
    query = f"tags.`{tags.SWEEP_ID}` = '{runs.sweep_id}'"
    token = None
    while True:
        page = runs.client.search_logged_models([runs.experiment_id], filter_string=query, page_token=token)
        for model in page:
            if model.status != LoggedModelStatus.READY:
                runs.client.delete_logged_model(model.model_id)
        token = page.token
        if not token:
            return


def _log_output(runs: Runs, run_id: str, model_id: str) -> None:
    """Log the model as output of the run, once, because the tracker's database refuses it a second time."""
    outputs = runs.client.get_run(run_id).outputs
    if outputs is None or model_id not in {output.model_id for output in outputs.model_outputs}:
        runs.client.log_outputs(run_id, models=[LoggedModelOutput(model_id, step=0)])


def _save_model(path: Path, model: LoggedModel, run_id: str, bundle: Path, experiment: Experiment) -> None:
    package = Path(ser.__file__).parent
    mlflow.pyfunc.save_model(
        path=path,
        python_model=str(package / "serving" / "pyfunc.py"),
        artifacts={"bundle": str(bundle)},
        code_paths=[str(package)],
        signature=_make_signature(experiment),
        input_example=pd.DataFrame({AUDIO: [_make_example_audio()]}),
        pip_requirements=[f"{name}=={version(name).split('+')[0]}" for name in _REQUIREMENTS],
        mlflow_model=Model(model_id=model.model_id, run_id=run_id, artifact_path=model.artifact_location),
    )


def _make_signature(experiment: Experiment) -> ModelSignature:
    columns = list_columns(CORPORA[experiment.corpus.name].emotions)
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, AUDIO)]),
        outputs=Schema([ColSpec(_TYPES[kind], column) for column, kind in columns.items()]),
    )


def _make_example_audio() -> str:
    """Half a second of a 220 Hz tone as base64 of a FLAC file."""
    time_s = np.arange(SAMPLE_RATE_HZ // 2) / SAMPLE_RATE_HZ
    buffer = io.BytesIO()
    soundfile.write(buffer, 0.3 * np.sin(2 * np.pi * 220 * time_s), SAMPLE_RATE_HZ, format="FLAC")
    return base64.b64encode(buffer.getvalue()).decode()
