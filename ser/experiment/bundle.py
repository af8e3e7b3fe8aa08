"""Everything that inference needs, in one folder without pickle: weights, normalisation, experiment, class names."""

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
from ser.evaluation.inference import probabilities
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
    """A trained network and what belongs to it: `temperature` calibrates it, `input_range` is that of its clips."""

    experiment: Experiment
    emotions: tuple[str, ...]
    normalisation: Normalisation
    temperature: float
    input_range: InputRange
    weights: dict[str, torch.Tensor]

    def save(self, folder: Path) -> None:
        """Write the bundle to `folder`."""
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
    """The bundle that `save` wrote.

    Raises:
        UserError: another version of ser wrote it, which kept less or has other settings.
        OSError: it is gone.
    """
    content = json.loads((folder / _EXPERIMENT).read_text())
    if lacking := [key for key in _KEYS if key not in content]:
        raise UserError(
            f"a bundle must hold {', '.join(_KEYS)}, {folder} lacks {', '.join(lacking)}: another version of ser "
            "wrote it, so train the network anew"
        )
    try:
        experiment = from_flat(content["settings"])
    except SettingError:
        raise UserError(
            f"a bundle must have settings of this version of ser, {folder} has others: another version wrote it, so "
            "train the network anew"
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
    """A bundle ready to hear clips on the processor.

    Clips go through the network one by one, so the answer for a clip does not depend on its neighbours.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.emotions = bundle.emotions
        self.space = bundle.experiment.features
        self._normalisation = bundle.normalisation
        self._temperature = bundle.temperature
        self._model = build_network(bundle.experiment)
        self._model.load_state_dict(bundle.weights)
        self._model.eval()

    def probabilities(self, wave: Wave) -> NDArray[np.float64]:
        """Calibrated probability of each emotion, (C,), of one clip (mono, 16 kHz)."""
        return self.probabilities_of(self.space.compute(Spectra(wave, self.space.framing)))

    def probabilities_of(self, stored: Rows) -> NDArray[np.float64]:
        """The same of a clip's features, (T, R), as `space` computes them."""
        clip = frame_clip(stored, space=self.space, normalisation=self._normalisation)
        with torch.inference_mode():
            logits = self._model(torch.from_numpy(clip[None]))
        (shares,) = probabilities(logits.numpy(), temperature=self._temperature)
        return cast(NDArray[np.float64], shares)


def build_network(experiment: Experiment) -> nn.Module:
    """The network of an experiment, with the weights that its training starts from."""
    return build_model(
        experiment.model,
        dimensions=cast(Dimensions, experiment.cell.dimensions),
        in_channels=experiment.features.n_channels,
        n_classes=experiment.n_classes,
        seed=experiment.training.seed,
    )
