"""Training of one network: an iterator of epochs that can be stopped, saved and resumed exactly.

B batch, C classes, n clips. Random numbers of an epoch derive from (seed, epoch), so there is no random state to store.
"""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ser.evaluation.inference import Batches, evaluate
from ser.evaluation.metrics import Confusion, accuracy, macro_f1, unweighted_average_recall
from ser.training.augmentation import Augment, mixup, spec_augment, stretch
from ser.training.checkpoint import Progress, TrainingError, TrainingState
from ser.training.optimizer import build_average, build_optimizer
from ser.training.settings import Training, lr_factor

_MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class StopTraining(Exception):  # noqa: N818 - like StopIteration, it is no error
    """Signal that a training was stopped within an epoch."""


@dataclass(frozen=True)
class Epoch:
    """Results of one epoch.

    Attributes:
        epoch: its number, from 1.
        train_loss: mean loss over the training clips, augmented and with smoothed labels.
        val_loss: mean cross-entropy over the validation clips, in nats.
        val_uar: unweighted average recall on the validation clips, in [0, 1].
        val_accuracy: in [0, 1].
        val_macro_f1: in [0, 1].
        confusion: of the validation clips, (C, C).
        lr: learning rate of the last step.
        seconds: duration of the epoch.
        best_epoch: the epoch so far with the highest validation UAR.
        best_val_uar: its UAR.
        last: training ends with this epoch.
    """

    epoch: int
    train_loss: float
    val_loss: float
    val_uar: float
    val_accuracy: float
    val_macro_f1: float
    confusion: Confusion
    lr: float
    seconds: float
    best_epoch: int
    best_val_uar: float
    last: bool


def fit(
    model: nn.Module,
    *,
    train: Batches,
    validation: Batches,
    n_classes: int,
    settings: Training,
    augment: Augment,
    votes: NDArray[np.float32] | None = None,
    device: torch.device | str = "cpu",
    resume: TrainingState | None = None,
) -> "Fit":
    """Train `model` in place, one epoch at each step of the returned iterator.

    Args:
        model: moved to `device`; in the end it holds the last weights, `Fit.best_weights()` gives the best.
        train: at least two clips.
        validation: at least one clip; decides which epoch is best and when to stop.
        n_classes: C.
        settings: optimiser, schedule and stopping.
        augment: augmentation of training clips.
        votes: the listeners' majority vote on each training clip, as probabilities, (n, C): a tie shares it equally;
            needed for a `vote_share`.
        device: for the training.
        resume: a state that `Fit.state()` returned after some epoch. With otherwise the same arguments, the later
            epochs are those of an uninterrupted training, bit for bit on the same machine.

    Returns:
        An iterator of epochs.

    Raises:
        TrainingError: too few clips, or no votes where they count; while iterating, a loss that is not finite.
    """
    if len(train) < 2 or len(validation) < 1:
        raise TrainingError(
            f"training needs at least 2 clips and validation 1, got {len(train)} and {len(validation)}",
            "check the split",
        )
    if settings.vote_share and votes is None:
        raise TrainingError(
            f"training.vote_share {settings.vote_share:g} needs the listeners' votes",
            "put CREMA-D's summaryTable.csv into or beside the corpus folder (--download fetches it), or set it to 0",
        )
    model = model.to(device, memory_format=_MEMORY_FORMATS[settings.memory_format])  # type: ignore[call-overload]
    run = Fit(model, train, validation, n_classes, settings, augment, torch.device(device), votes)
    if resume is not None:
        run.restore(resume)
    return run


@dataclass
class Fit:
    """Training in progress.

    Iterating trains epoch by epoch. The state and the best weights are available between two epochs. `fit` explains the
    attributes.
    """

    model: nn.Module
    train: Batches
    validation: Batches
    n_classes: int
    settings: Training
    augment: Augment
    device: torch.device
    votes: NDArray[np.float32] | None = None
    _progress: Progress = field(default_factory=Progress)
    _best: dict[str, Tensor] = field(default_factory=dict)
    _stopping: bool = False

    def __post_init__(self) -> None:
        self._optimizer = build_optimizer(self.model, self.settings)
        self._average = build_average(self.model, self.settings)
        self._class_weights = None
        if self.settings.class_weighting == "balanced":
            n_clips = np.bincount(self.train.labels, minlength=self.n_classes)
            weights = len(self.train) / (self.n_classes * np.maximum(n_clips, 1))
            self._class_weights = torch.tensor(weights, dtype=torch.float32, device=self.device)

    def __iter__(self) -> Iterator[Epoch]:
        while not self._progress.finished:
            yield self._run_epoch()

    def best_weights(self) -> dict[str, Tensor]:
        """Weights of the epoch with the highest validation UAR, of equals the lowest loss, on the CPU."""
        return dict(self._best)

    @property
    def seconds(self) -> float:
        """Duration of all epochs, including those before a resume."""
        return self._progress.seconds

    def stop(self) -> None:
        """Make the iteration, in another thread, raise `StopTraining` at its next batch."""
        self._stopping = True

    def state(self) -> TrainingState:
        """Copy of everything that `resume` needs."""
        moments = {
            f"{index}.{name}": value
            for index, values in self._optimizer.state_dict()["state"].items()
            for name, value in values.items()
        }
        return TrainingState(
            weights=_copy_to_cpu(self.model.state_dict()),
            best_weights=self.best_weights(),
            optimizer=_copy_to_cpu(moments),
            average=_copy_to_cpu(self._average.state_dict()) if self._average else {},
            progress=self._progress,
        )

    def restore(self, state: TrainingState) -> None:
        """Continue from a state that `state()` returned."""
        self.model.load_state_dict(state.weights)
        parameters = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in state.optimizer.items():
            index, name = key.split(".")
            # Moments need the memory layout of their parameter: the fused optimiser reads both in one order.
            like = parameters[int(index)].detach() if value.ndim else value
            moments.setdefault(int(index), {})[name] = torch.empty_like(like).copy_(value)
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": moments, "param_groups": groups})
        if self._average:
            self._average.load_state_dict(state.average)
        self._best = dict(state.best_weights)
        self._progress = state.progress

    @property
    def _evaluated_model(self) -> nn.Module:
        """The network that is validated and saved: the averaged one, if weights are averaged."""
        return self._average.module if self._average else self.model

    def _run_epoch(self) -> Epoch:
        started = time.perf_counter()
        epoch = self._progress.epoch + 1
        train_loss = self._train_epoch(epoch)
        lr = self._optimizer.param_groups[0]["lr"]
        evaluation = evaluate(
            self._evaluated_model,
            self.validation,
            n_classes=self.n_classes,
            batch_size=self.settings.batch_size,
            device=self.device,
        )
        if not (math.isfinite(train_loss) and math.isfinite(evaluation.loss)):
            raise TrainingError(
                f"the loss of epoch {epoch} is not finite at lr {lr:g}",
                "lower training.lr or training.clip_norm, and check that the features are finite",
            )
        uar = unweighted_average_recall(evaluation.confusion)
        seconds = time.perf_counter() - started
        self._advance(epoch, uar, evaluation.loss, seconds)
        return Epoch(
            epoch=epoch,
            train_loss=train_loss,
            val_loss=evaluation.loss,
            val_uar=uar,
            val_accuracy=accuracy(evaluation.confusion),
            val_macro_f1=macro_f1(evaluation.confusion),
            confusion=evaluation.confusion,
            lr=lr,
            seconds=seconds,
            best_epoch=self._progress.best_epoch,
            best_val_uar=self._progress.best_val_uar,
            last=self._progress.finished,
        )

    def _advance(self, epoch: int, uar: float, loss: float, seconds: float) -> None:
        progress = replace(self._progress, epoch=epoch, seconds=self._progress.seconds + seconds)
        if (uar, -loss) > (progress.best_val_uar, -progress.best_val_loss):
            progress = replace(progress, best_epoch=epoch, best_val_uar=uar, best_val_loss=loss)
            self._best = _copy_to_cpu(self._evaluated_model.state_dict())
        no_progress = epoch - progress.best_epoch >= self.settings.patience
        self._progress = replace(progress, finished=no_progress or epoch >= self.settings.max_epochs)

    def _train_epoch(self, epoch: int) -> float:
        """Pass once over the training clips and return their mean loss."""
        rng = np.random.default_rng([self.settings.seed, epoch])
        torch_seed, augment_seed = (int(seed) for seed in rng.integers(2**63, size=2))
        generator = torch.Generator().manual_seed(augment_seed)
        batches = _split_into_batches(rng.permutation(len(self.train)), self.settings.batch_size)
        n_steps = self.settings.max_epochs * len(batches)
        total = torch.zeros((), device=self.device)
        self.model.train()
        with _seed_torch(torch_seed, self.device):
            for step, positions in enumerate(batches, start=(epoch - 1) * len(batches)):
                if self._stopping:
                    raise StopTraining
                for group in self._optimizer.param_groups:
                    group["lr"] = self.settings.lr * lr_factor((step + 0.5) / n_steps, settings=self.settings)
                total += len(positions) * self._step(positions, rng, generator)
        return total.item() / len(self.train)

    def _step(self, positions: NDArray[np.int64], rng: np.random.Generator, generator: torch.Generator) -> Tensor:
        clips = torch.from_numpy(self.train.batch(positions, rng)).to(self.device)
        labels = torch.from_numpy(self.train.labels[positions]).to(self.device)
        targets = F.one_hot(labels, self.n_classes).to(clips.dtype)
        if self.settings.vote_share and self.votes is not None:
            votes = torch.from_numpy(self.votes[positions]).to(self.device)
            targets = targets.lerp(votes, self.settings.vote_share)
        clips = stretch(clips, settings=self.augment, generator=generator)
        clips = spec_augment(clips, settings=self.augment, generator=generator)
        clips, targets = mixup(clips, targets, alpha=self.augment.mixup_alpha, generator=generator)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bfloat16"):
            logits = self.model(clips)
        loss = F.cross_entropy(
            logits.float(), targets, weight=self._class_weights, label_smoothing=self.settings.label_smoothing
        )
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
        self._optimizer.step()
        if self._average:
            self._average.update_parameters(self.model)
        return loss.detach()


def _split_into_batches(positions: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Batches of nearly equal size, about `batch_size`: batch normalisation fails on a last batch of one clip."""
    return np.array_split(positions, max(1, round(len(positions) / batch_size)))


@contextmanager
def _seed_torch(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global random state, which dropout draws from, and restore it afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.backends.cudnn.flags(enabled=True, deterministic=True):
        torch.manual_seed(seed)
        yield


def _copy_to_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
