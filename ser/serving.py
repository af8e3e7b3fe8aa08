"""The served model: a column of base64 audio in, emotion and probabilities out.

MLflow runs this file to make the model (models-from-code) and again to load it, so it says at its end what the model
is. Imports neither librosa nor Ray.
"""

import base64
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from ser.audio import AudioError, decode
from ser.bundle import Classifier, load_bundle


class RowError(MlflowException):
    """A row that cannot be answered. Its message stays: MLflow's server would put the whole input before it."""

    @property
    def message(self) -> str:
        """The sentence for the one who asked."""
        return str(self.args[0])

    @message.setter
    def message(self, _: str) -> None:
        """Nothing."""


class EmotionModel(PythonModel):
    """Audio files in base64, one a row of column `audio`, to `emotion` and the probability of each class."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the bundle that was logged with the model."""
        self._classifier = Classifier(load_bundle(Path(context.artifacts["bundle"])))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """One row of answers for each row of audio.

        Raises:
            RowError: a row that is not base64 of a sound file; the message names the row, the answer is HTTP 400.
        """
        rows = [self._answer(number, text) for number, text in enumerate(model_input["audio"])]
        return pd.DataFrame(rows, columns=["emotion", *self._classifier.emotions])

    def _answer(self, number: int, text: object) -> list[str | float]:
        try:
            wave = decode(_bytes(text))
        except AudioError as error:
            raise RowError.invalid_parameter_value(f"row {number}: {error}") from None
        probabilities = self._classifier.probabilities(wave)
        return [self._classifier.emotions[int(probabilities.argmax())], *map(float, probabilities)]


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        raise AudioError("audio is missing: it must be text, the base64 of a WAV, FLAC, OGG or MP3 file")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise AudioError("audio must be the base64 of a WAV, FLAC, OGG or MP3 file; this is not base64") from None


set_model(EmotionModel())
