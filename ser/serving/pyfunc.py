"""The served model: a column of base64 audio in, emotion, probabilities and a warning out.

MLflow runs this file to make the model (models-from-code) and again to load it, so it says at its end what the model
is. Imports neither librosa nor Ray.
"""

import base64
import logging
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, TEMPORARILY_UNAVAILABLE, ErrorCode
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from ser.audio import LARGEST_SENT_BYTES, SAMPLE_RATE_HZ, AudioError, Wave, decode
from ser.bundle import Classifier, load_bundle

MOST_ROWS = 256
# In base64: 16 MiB, as much as the gateway lets through (docker/gateway.conf).
LONGEST_TEXT = LARGEST_SENT_BYTES * 4 // 3

_KINDS = "the base64 of a WAV, FLAC, OGG or MP3 file"
_log = logging.getLogger(__name__)


class RowError(MlflowException):
    """What cannot be answered.

    Its message stays: MLflow's server would put the whole input before it. What was wrong with a request is HTTP 422,
    which MLflow's own refusals are not: a gateway lets these sentences through and holds MLflow's back.
    """

    @property
    def message(self) -> str:
        """The sentence for the one who asked."""
        return str(self.args[0])

    @message.setter
    def message(self, _: str) -> None:
        """Nothing."""

    def get_http_status_code(self) -> int:
        """Of the answer."""
        wrong_request = self.error_code == ErrorCode.Name(INVALID_PARAMETER_VALUE)
        return 422 if wrong_request else int(super().get_http_status_code())  # type: ignore[no-untyped-call]


class EmotionModel(PythonModel):
    """Audio files in base64, one a row of column `audio`, to `emotion`, probabilities, `duration_s` and `warning`."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the bundle that was logged with the model."""
        # One clip is too little to share among threads: they wait for each other, and their sums differ in the last
        # bits. Requests and the server's workers are what runs side by side.
        torch.set_num_threads(1)
        self._bundle = load_bundle(Path(context.artifacts["bundle"]))
        self._classifier = Classifier(self._bundle)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """One row of answers for each row of audio.

        Raises:
            RowError: too many rows, or a row that is not base64 of a sound that can be used; the message names it.
        """
        if len(model_input) > MOST_ROWS:
            raise RowError.invalid_parameter_value(
                f"a request may hold {MOST_ROWS} rows, got {len(model_input):,}: send several requests"
            )
        rows = [self._answer(number, text) for number, text in enumerate(model_input["audio"])]
        return pd.DataFrame(rows, columns=["emotion", *self._bundle.emotions, "duration_s", "warning"])

    def _answer(self, number: int, text: object) -> list[str | float]:
        try:
            return self._heard(_sound(text))
        except AudioError as error:
            raise RowError.invalid_parameter_value(f"row {number}: {error}") from None
        except Exception as error:
            _log.exception("row %d could not be answered", number)
            raise RowError(
                f"row {number}: the model failed on this sound ({type(error).__name__}): the server's log says where",
                error_code=TEMPORARILY_UNAVAILABLE,
            ) from None

    def _heard(self, wave: Wave) -> list[str | float]:
        probabilities = self._classifier.probabilities(wave)
        emotion = self._bundle.emotions[int(probabilities.argmax())]
        return [emotion, *map(float, probabilities), len(wave) / SAMPLE_RATE_HZ, self._bundle.heard.warning(wave)]


def _sound(text: object) -> Wave:
    if not isinstance(text, str):
        raise AudioError(f"audio is missing: it must be text, {_KINDS}")
    if len(text) > LONGEST_TEXT:
        raise AudioError(
            f"audio has {len(text):,} characters, at most {LONGEST_TEXT:,} are taken: send a compressed or shorter file"
        )
    try:
        wave = decode(base64.b64decode("".join(text.split()), validate=True))
    except AudioError:
        raise
    except ValueError:
        raise AudioError(f"audio must be {_KINDS}; this is not base64") from None
    if not wave.any():
        raise AudioError("every sample of the sound is zero: check the microphone, and record it again")
    return wave


set_model(EmotionModel())
