"""Bundle: everything that inference needs, in one folder without pickle."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from torch import nn

from ser.audio import Wave
from ser.errors import UserError
from ser.evaluation.inference import compute_probabilities
from ser.experiment.experiment import Experiment, from_flat
from ser.experiment.input_range import InputRange
from ser.features.base import Rows, Spectra
from ser.features.dataset import Normalisation, frame_clip
from ser.models.base import Dimensions, build_model
from ser.settings.ranges import SettingError

_WEIGHTS = "weights.safetensors"
_NORMALISATION = "normalisation.safetensors"
_EXPERIMENT = "experiment.json"
_KEYS = ("emotions", "temperature", "input_range", "features_version", "settings")


@dataclass(frozen=True)
class Bundle:
    """A trained network with everything that inference needs.

    Attributes:
        experiment: description of the training.
        emotions: names of the C classes, in the order of the outputs.
        normalisation: mean and scale of each row of features.
        temperature: divides the logits before the softmax.
        input_range: of the training clips.
        weights: of the network, by name.
    """

    experiment: Experiment
    emotions: tuple[str, ...]
    normalisation: Normalisation
    temperature: float
    input_range: InputRange
    weights: dict[str, torch.Tensor]

    def save(self, folder: Path) -> None:
        """Write the bundle into a folder, which is created if missing.

        Raises:
            OSError: the disk is full, or the folder cannot be written to.
        """
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.weights, folder / _WEIGHTS)
        arrays = {"mean": self.normalisation.mean, "scale": self.normalisation.scale}
        save_arrays(arrays, folder / _NORMALISATION)
        content = {
            "emotions": list(self.emotions),
            "temperature": self.temperature,
            "input_range": asdict(self.input_range),
            "features_version": self.experiment.features.version,
            "settings": self.experiment.flat(),
        }
        (folder / _EXPERIMENT).write_text(json.dumps(content, indent=1))


def load_bundle(folder: Path) -> Bundle:
    """Read the bundle that `Bundle.save` wrote.

    Raises:
        UserError: another version of ser wrote it, with fewer keys or other settings.
        OSError: it is gone.
    """
    content = json.loads((folder / _EXPERIMENT).read_text())
    if lacking := [key for key in _KEYS if key not in content]:
        raise UserError(
            f"a bundle must hold {', '.join(_KEYS)}, {folder} lacks {', '.join(lacking)}",
            "another version of ser wrote it, so train the network again",
        )
    try:
        experiment = from_flat(content["settings"])
    except SettingError:
        raise UserError(
            f"a bundle must have settings of this version of ser, {folder} has others",
            "another version wrote it, so train the network again",
        ) from None
    if content["features_version"] != experiment.features.version:
        raise UserError(
            f"a bundle must be of version {experiment.features.version} of the {experiment.features.dimensions}-D "
            f"features, {folder} is of version {content['features_version']}",
            "train the network again",
        )
    arrays = load_arrays(folder / _NORMALISATION)
    return Bundle(
        experiment=experiment,
        emotions=tuple(content["emotions"]),
        normalisation=Normalisation(mean=arrays["mean"], scale=arrays["scale"]),
        temperature=content["temperature"],
        input_range=InputRange(**content["input_range"]),
        weights=load_file(folder / _WEIGHTS),
    )


class Classifier:
    """A network that is ready to classify clips on the CPU.

    Clips pass through the network one by one, so that the result for a clip does not depend on other clips.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.emotions = bundle.emotions
        self.space = bundle.experiment.features
        self._normalisation = bundle.normalisation
        self._temperature = bundle.temperature
        self._model = build_network(bundle.experiment)
        self._model.load_state_dict(bundle.weights)
        self._model.eval()

    def predict_probabilities(self, wave: Wave) -> NDArray[np.float64]:
        """Predict calibrated probabilities of the emotions for one clip.

        Args:
            wave: mono signal at 16 kHz, (N,), float32, full scale ±1.

        Returns:
            (C,) float64, in the order of `emotions`.
        """
        return self.predict_from_features(self.space.compute(Spectra(wave, self.space.framing)))

    def predict_from_features(self, rows: Rows) -> NDArray[np.float64]:
        """Predict calibrated probabilities of the emotions for the features of one clip.

        Args:
            rows: features, (T, R), that `space` computed.

        Returns:
            (C,) float64, in the order of `emotions`.
        """
        clip = frame_clip(rows, space=self.space, normalisation=self._normalisation)
        with torch.inference_mode():
            logits = self._model(torch.from_numpy(clip[None]))
        (clip_probabilities,) = compute_probabilities(logits.numpy(), temperature=self._temperature)
        return cast(NDArray[np.float64], clip_probabilities)


def build_network(experiment: Experiment) -> nn.Module:
    """Build the network of an experiment, with the weights from which its training starts."""
    return build_model(
        experiment.model,
        dimensions=cast(Dimensions, experiment.cell.dimensions),
        in_channels=experiment.features.n_channels,
        n_classes=experiment.n_classes,
        seed=experiment.training.seed,
    )
