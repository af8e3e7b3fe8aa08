"""Training of one network, an iterator of epochs that can be stopped, saved and taken up again exactly.

B batch, C classes, n clips. Chance in an epoch derives from (seed, epoch): there is no random state to store.
"""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ser.evaluation.inference import Batches, evaluate
from ser.evaluation.metrics import Confusion, accuracy, macro_f1, unweighted_average_recall
from ser.training.augmentation import Augment, mixup, spec_augment, stretch
from ser.training.checkpoint import Progress, TrainingError, TrainingState
from ser.training.settings import Training, lr_factor

_MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class StopTraining(Exception):  # noqa: N818 - like StopIteration, it is no error
    """The training was told to stop within an epoch."""


@dataclass(frozen=True)
class Epoch:
    """Result of one epoch; `train_loss` is the smoothed loss on augmented clips, `lr` its last."""

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
        settings: how to train.
        augment: what is done to training clips.
        votes: what most listeners took each training clip for, (n, C), rows sum to 1; needed for a `vote_share`.
        device: where to train.
        resume: what `Fit.state()` gave after some epoch; given the same other arguments, the later epochs
            are then those of unbroken training, bit for bit on the same machine.

    Raises:
        TrainingError: too few clips, or no votes where they count; while iterating, a loss that is not finite.
    """
    if len(train) < 2 or len(validation) < 1:
        raise TrainingError(
            f"training needs at least 2 clips and validation 1, got {len(train)} and {len(validation)}: check the split"
        )
    if settings.vote_share and votes is None:
        raise TrainingError(
            f"training.vote_share {settings.vote_share:g} needs what listeners heard: put CREMA-D's summaryTable.csv "
            "into or beside the corpus folder (--download fetches it), or set it to 0"
        )
    model = model.to(device, memory_format=_MEMORY_FORMATS[settings.memory_format])  # type: ignore[call-overload]
    run = Fit(model, train, validation, n_classes, settings, augment, torch.device(device), votes)
    if resume is not None:
        run.restore(resume)
    return run


@dataclass
class Fit:
    """A training under way: iterate for epochs; between two of them ask for the state or the best weights."""

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
        self._optimizer = _optimizer(self.model, self.settings)
        self._average = _average(self.model, self.settings)
        self._class_weights = None
        if self.settings.class_weighting == "balanced":
            n_clips = np.bincount(self.train.labels, minlength=self.n_classes)
            weights = len(self.train) / (self.n_classes * np.maximum(n_clips, 1))
            self._class_weights = torch.tensor(weights, dtype=torch.float32, device=self.device)

    def __iter__(self) -> Iterator[Epoch]:
        while not self._progress.finished:
            yield self._epoch()

    def best_weights(self) -> dict[str, Tensor]:
        """Weights of the epoch with the best validation UAR (equal: the lower loss), on the CPU."""
        return dict(self._best)

    @property
    def seconds(self) -> float:
        """What all epochs took, those before a resume included."""
        return self._progress.seconds

    def stop(self) -> None:
        """Have the iteration, in another thread, raise `StopTraining` at its next batch."""
        self._stopping = True

    def state(self) -> TrainingState:
        """All that `resume` needs, copied."""
        moments = {
            f"{index}.{name}": value
            for index, values in self._optimizer.state_dict()["state"].items()
            for name, value in values.items()
        }
        return TrainingState(
            weights=_copied(self.model.state_dict()),
            best_weights=self.best_weights(),
            optimizer=_copied(moments),
            average=_copied(self._average.state_dict()) if self._average else {},
            progress=self._progress,
        )

    def restore(self, state: TrainingState) -> None:
        """Go on from what `state()` gave."""
        self.model.load_state_dict(state.weights)
        parameters = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in state.optimizer.items():
            index, name = key.split(".")
            # Moments must lie in memory as their parameter does: the fused optimiser reads both in one order.
            like = parameters[int(index)].detach() if value.ndim else value
            moments.setdefault(int(index), {})[name] = torch.empty_like(like).copy_(value)
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": moments, "param_groups": groups})
        if self._average:
            self._average.load_state_dict(state.average)
        self._best = dict(state.best_weights)
        self._progress = state.progress

    @property
    def _kept(self) -> nn.Module:
        """The network that counts: with averaged weights, if they are averaged."""
        return self._average.module if self._average else self.model

    def _epoch(self) -> Epoch:
        started = time.perf_counter()
        epoch = self._progress.epoch + 1
        train_loss = self._train(epoch)
        lr = self._optimizer.param_groups[0]["lr"]
        seen = evaluate(
            self._kept,
            self.validation,
            n_classes=self.n_classes,
            batch_size=self.settings.batch_size,
            device=self.device,
        )
        if not (math.isfinite(train_loss) and math.isfinite(seen.loss)):
            raise TrainingError(
                f"the loss of epoch {epoch} is not finite at lr {lr:g}: lower training.lr or "
                "training.clip_norm, and check that the features are finite"
            )
        uar = unweighted_average_recall(seen.confusion)
        seconds = time.perf_counter() - started
        self._advance(epoch, uar, seen.loss, seconds)
        return Epoch(
            epoch=epoch,
            train_loss=train_loss,
            val_loss=seen.loss,
            val_uar=uar,
            val_accuracy=accuracy(seen.confusion),
            val_macro_f1=macro_f1(seen.confusion),
            confusion=seen.confusion,
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
            self._best = _copied(self._kept.state_dict())
        stale = epoch - progress.best_epoch >= self.settings.patience
        self._progress = replace(progress, finished=stale or epoch >= self.settings.max_epochs)

    def _train(self, epoch: int) -> float:
        """Mean loss of one pass over the training clips."""
        rng = np.random.default_rng([self.settings.seed, epoch])
        torch_seed, augment_seed = (int(seed) for seed in rng.integers(2**63, size=2))
        generator = torch.Generator().manual_seed(augment_seed)
        batches = _equal_batches(rng.permutation(len(self.train)), self.settings.batch_size)
        n_steps = self.settings.max_epochs * len(batches)
        total = torch.zeros((), device=self.device)
        self.model.train()
        with _seeded(torch_seed, self.device):
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


def _equal_batches(positions: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Batches of about `batch_size`, all but equal: batch normalisation breaks on a last batch of one."""
    return np.array_split(positions, max(1, round(len(positions) / batch_size)))


def _optimizer(model: nn.Module, settings: Training) -> torch.optim.AdamW:
    weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    rest = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": weights}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.lr, weight_decay=settings.weight_decay, fused=True)


def _average(model: nn.Module, settings: Training) -> AveragedModel | None:
    """The running average of all weights and running statistics, or None where none is asked for."""
    if not settings.averaging:
        return None
    decay = get_ema_multi_avg_fn(1 - 1 / settings.averaging)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=decay, use_buffers=True)


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Dropout draws from torch's global state: seed it, and leave it as it was afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.backends.cudnn.flags(enabled=True, deterministic=True):
        torch.manual_seed(seed)
        yield


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
