"""The served model: a column of base64 audio in, emotion, probabilities and a warning out.

MLflow runs this file to log the model (models-from-code) and again to load it; its last line names the model.
Imports neither librosa nor Ray.
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
from ser.experiment.bundle import Classifier, load_bundle
from ser.serving.answer import AUDIO, Answer, list_columns

MOST_ROWS = 256
# In base64: 16 MiB, as much as the gateway lets through (docker/gateway.conf).
LONGEST_TEXT = LARGEST_SENT_BYTES * 4 // 3

_KINDS = "the base64 of a WAV, FLAC, OGG or MP3 file"
_log = logging.getLogger(__name__)


class RowError(MlflowException):
    """A request or row that cannot be answered.

    Its message cannot be set: MLflow's server would put the whole input before it. An invalid request is HTTP 422,
    which MLflow's own errors never are: a gateway passes these messages on and withholds MLflow's.
    """

    @property
    def message(self) -> str:
        """One line for the client."""
        return str(self.args[0])

    @message.setter
    def message(self, _: str) -> None:
        """Ignore the new message."""

    def get_http_status_code(self) -> int:
        """HTTP status of the reply: 422 for an invalid request."""
        wrong_request = self.error_code == ErrorCode.Name(INVALID_PARAMETER_VALUE)
        return 422 if wrong_request else int(super().get_http_status_code())  # type: ignore[no-untyped-call]


class EmotionModel(PythonModel):
    """Classifier of sound files: base64 in column `audio` in, the columns of `ser.serving.answer` out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the bundle that was logged with the model."""
        # One clip is too little work to share among threads: they wait for each other, and their sums differ in the
        # last bits. Requests and the server's workers run in parallel instead.
        torch.set_num_threads(1)
        self._bundle = load_bundle(Path(context.artifacts["bundle"]))
        self._classifier = Classifier(self._bundle)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Predict one row of answers for each row of audio.

        Raises:
            RowError: too many rows, or a row that is not base64 of a usable sound file; the message names the row.
        """
        if len(model_input) > MOST_ROWS:
            raise RowError.invalid_parameter_value(
                f"a request may hold {MOST_ROWS} rows, got {len(model_input):,}: send several requests"
            )
        rows = [self._answer(number, text).to_row() for number, text in enumerate(model_input[AUDIO])]
        return pd.DataFrame(rows, columns=list(list_columns(self._bundle.emotions)))

    def _answer(self, number: int, text: object) -> Answer:
        try:
            return self._classify(_decode_base64(text))
        except AudioError as error:
            raise RowError.invalid_parameter_value(f"row {number}: {error}") from None
        except Exception as error:
            _log.exception("row %d could not be answered", number)
            raise RowError(
                f"row {number}: the model failed on this sound ({type(error).__name__}): the server's log says where",
                error_code=TEMPORARILY_UNAVAILABLE,
            ) from None

    def _classify(self, wave: Wave) -> Answer:
        emotions = self._bundle.emotions
        probabilities = self._classifier.predict_probabilities(wave)
        return Answer(
            emotion=emotions[int(probabilities.argmax())],
            probabilities=dict(zip(emotions, map(float, probabilities), strict=True)),
            duration_s=len(wave) / SAMPLE_RATE_HZ,
            warning=self._bundle.input_range.warning(wave),
        )


def _decode_base64(text: object) -> Wave:
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
