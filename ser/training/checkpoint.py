"""State of a training between two epochs, in memory and as one file without pickle."""

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
    """Training that cannot start or continue."""


@dataclass(frozen=True)
class Progress:
    """Progress of a training: epochs done (0 before the first), best epoch, seconds of all epochs."""

    epoch: int = 0
    best_epoch: int = 0
    best_val_uar: float = -1.0
    best_val_loss: float = math.inf
    seconds: float = 0.0
    finished: bool = False


@dataclass(frozen=True)
class TrainingState:
    """Everything that later epochs depend on, tensors on the CPU.

    Keys of `optimizer` are '<parameter>.<moment>'; `average` is empty where weights are not averaged.
    """

    weights: dict[str, Tensor]
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Tensor] = field(default_factory=dict)
    average: dict[str, Tensor] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)


PARTS = ("weights", "best_weights", "optimizer", "average")


def save_state(state: TrainingState, folder: Path) -> None:
    """Write a state into `folder` as one file, whole or not at all.

    Raises:
        OSError: the disk is full, or the folder cannot be written to.
    """
    tensors = {f"{part}/{name}": tensor for part in PARTS for name, tensor in getattr(state, part).items()}
    with replace_file(folder / FILE_NAME) as written:
        save_file(tensors, written, metadata={"progress": json.dumps(asdict(state.progress))})


def load_state(folder: Path) -> TrainingState:
    """Read the state that `save_state` wrote into `folder`.

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
        raise TrainingError(f"no training state in {folder} ({error})", "start this training again") from error
    return TrainingState(**parts, progress=progress)


def find_newest_state(folders: Iterable[Path], *, last_epoch: int) -> TrainingState | None:
    """Newest readable state that is not ahead of `last_epoch`, or None.

    A state can be ahead of the reported epochs: it is stored first, and a driver that is killed never receives the
    report of its epoch.

    Args:
        folders: newest first; those without a readable state are skipped.
        last_epoch: the last epoch that was reported.
    """
    for folder in folders:
        with suppress(TrainingError):
            state = load_state(folder)
            if state.progress.epoch <= last_epoch:
                return state
    return None
