"""Optimizer of a training, and the running average of its weights."""

from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ser.training.settings import Training


def build_optimizer(model: nn.Module, settings: Training) -> torch.optim.AdamW:
    """AdamW that decays the weights of layers, and neither biases nor the parameters of normalisations.

    Source:
        Loshchilov and Hutter, Decoupled weight decay regularization (2019).
    """
    weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    rest = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": weights}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.lr, weight_decay=settings.weight_decay, fused=True)


def build_average(model: nn.Module, settings: Training) -> AveragedModel | None:
    """Running exponential average of all weights and batch statistics; None without averaging."""
    if not settings.averaging:
        return None
    decay = get_ema_multi_avg_fn(1 - 1 / settings.averaging)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=decay, use_buffers=True)
