"""A training between two epochs as a value, and as one file without pickle."""

import json
import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ser.errors import UserError
from ser.files import replace_file

FILE_NAME = "training.safetensors"


class TrainingError(UserError):
    """Training that cannot start or go on; the message says why and what to do."""


@dataclass(frozen=True)
class Progress:
    """How far a training has come, and the seconds that its epochs took; epoch 0 is before the first."""

    epoch: int = 0
    best_epoch: int = 0
    best_val_uar: float = -1.0
    best_val_loss: float = math.inf
    seconds: float = 0.0
    finished: bool = False


@dataclass(frozen=True)
class TrainingState:
    """All that later epochs depend on, tensors on the CPU.

    `optimizer` is named '<parameter>.<moment>'; `average` is empty where weights are not averaged.
    """

    weights: dict[str, Tensor]
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Tensor] = field(default_factory=dict)
    average: dict[str, Tensor] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)


PARTS = ("weights", "best_weights", "optimizer", "average")


def save_state(state: TrainingState, folder: Path) -> None:
    """Write `state` into `folder` as one file, which is complete or not there at all."""
    tensors = {f"{part}/{name}": tensor for part in PARTS for name, tensor in getattr(state, part).items()}
    with replace_file(folder / FILE_NAME) as written:
        save_file(tensors, written, metadata={"progress": json.dumps(asdict(state.progress))})


def load_state(folder: Path) -> TrainingState:
    """The state that `save_state` wrote into `folder`.

    Raises:
        TrainingError: no such file, or one that cannot be read.
    """
    parts: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
    try:
        with safe_open(folder / FILE_NAME, framework="pt") as file:
            progress = Progress(**json.loads(file.metadata()["progress"]))
            for key in file.keys():  # noqa: SIM118 - the file is not a mapping
                part, name = key.split("/", 1)
                parts[part][name] = file.get_tensor(key)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"no training state in {folder} ({error}): start this training anew") from error
    return TrainingState(**parts, progress=progress)


def find_newest_state(folders: Iterable[Path], *, last_epoch: int) -> TrainingState | None:
    """The first whole state of `folders`, newest first, that is not ahead of `last_epoch`; None to begin anew.

    A state can be ahead of what was reported: it is stored first, and a killed driver never hears of its epoch.
    """
    for folder in folders:
        with suppress(TrainingError):
            state = load_state(folder)
            if state.progress.epoch <= last_epoch:
                return state
    return None
