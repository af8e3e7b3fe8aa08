"""Predictions of a network on clips. B batch, D feature channels, M mel bands, T frames, C classes, n clips."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from ser.evaluation.metrics import Confusion, confusion_matrix


class Batches(Protocol):
    """Clips by position, as inputs of the network."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class of each clip, (n,)."""
        ...

    def __len__(self) -> int: ...

    def batch(self, positions: NDArray[np.int64], rng: np.random.Generator | None) -> NDArray[np.float32]:
        """Inputs for clips, (B, D, T) or (B, 1, M, T); `rng` draws training crops, None gives the evaluation crop."""
        ...


@dataclass(frozen=True)
class InferenceResult:
    """Results on n clips.

    Attributes:
        loss: mean cross-entropy, in nats.
        logits: (n, C).
        predictions: most probable classes, (n,).
        confusion: (C, C), rows are truth, columns predictions.
    """

    loss: float
    logits: NDArray[np.float32]
    predictions: NDArray[np.int64]
    confusion: Confusion


def evaluate(
    model: nn.Module,
    clips: Batches,
    *,
    n_classes: int,
    batch_size: int = 64,
    device: torch.device | str = "cpu",
) -> InferenceResult:
    """Run a network over all clips in evaluation mode, and leave it in this mode.

    Args:
        model: on `device`; returns (B, C) logits.
        clips: at least one.
        n_classes: C.
        batch_size: clips in a batch; it changes results by rounding only.
        device: of the model.

    Returns:
        Loss, logits, predictions and confusion matrix, in the order of the clips.

    Raises:
        ValueError: no clips.
    """
    if len(clips) == 0:
        raise ValueError("there are no clips to evaluate: check the split")
    model.eval()
    logits = []
    with torch.inference_mode():
        for start in range(0, len(clips), batch_size):
            positions = np.arange(start, min(start + batch_size, len(clips)))
            logits.append(model(torch.from_numpy(clips.batch(positions, None)).to(device)).float().cpu())
    # A copy, because labels may lie in shared memory that torch must not write to.
    scores, labels = torch.cat(logits), torch.from_numpy(np.array(clips.labels))
    predictions = scores.argmax(1).numpy()
    return InferenceResult(
        loss=F.cross_entropy(scores, labels).item(),
        logits=scores.numpy(),
        predictions=predictions,
        confusion=confusion_matrix(clips.labels, predictions, n_classes=n_classes),
    )


def compute_probabilities(logits: NDArray[np.float32], *, temperature: float) -> NDArray[np.float64]:
    """Softmax of logits / temperature, in float64.

    Args:
        logits: (n, C).
        temperature: divides the logits, > 0.

    Returns:
        (n, C). A row is equal, to the last bit, to that of the same logits alone.
    """
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


@contextmanager
def compute_as_served() -> Iterator[None]:
    """Compute as the model server does: in one thread, and without TF32 on a GPU.

    Sums in the same order have the same bits, so that offline predictions equal the served ones.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield
    finally:
        torch.set_num_threads(n_threads)
