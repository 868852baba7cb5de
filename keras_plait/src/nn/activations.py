"""Activation functions."""

from __future__ import annotations

from typing import Any

import plait as torch
import plait.nn.functional as F
from keras_plait.src.core import convert_to_tensor
from keras_plait.src.operands import as_float

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "tanh",
    "tanh_shrink",
    "threshold",
]


def relu(x: Any) -> Any:
    return F.relu(convert_to_tensor(x))


def relu6(x: Any) -> Any:
    return torch.clamp(convert_to_tensor(x), 0, 6)


def sigmoid(x: Any) -> Any:
    x = as_float(x)
    return _remembering(torch.sigmoid(x), x)


def _remembering(made: Any, logits: Any) -> Any:
    """Probabilities that losses take by their logits: precise where a probability is near 0 or 1,
    and right for programs that say `from_logits=True` of them, as TensorFlow is."""
    made._keras_logits = logits
    return made


def sparse_sigmoid(x: Any) -> Any:
    """0 up to -1, 1 from 1, and a line between."""
    return torch.clamp(0.5 * (as_float(x) + 1), 0, 1)


def tanh(x: Any) -> Any:
    return torch.tanh(as_float(x))


def tanh_shrink(x: Any) -> Any:
    x = as_float(x)
    return x - torch.tanh(x)


def softplus(x: Any) -> Any:
    x = as_float(x)
    return torch.logaddexp(x, torch.zeros_like(x))


def softsign(x: Any) -> Any:
    x = as_float(x)
    return x / (torch.abs(x) + 1)


def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    return F.softshrink(as_float(x), threshold)


def sparse_plus(x: Any) -> Any:
    """0 up to -1, x from 1, and a parabola between."""
    x = as_float(x)
    middle = 0.25 * (x + 1) * (x + 1)
    return torch.where(x <= -1, torch.zeros_like(x), torch.where(x < 1, middle, x))


def silu(x: Any) -> Any:
    return F.silu(as_float(x))


def squareplus(x: Any, b: float = 4) -> Any:
    x = as_float(x)
    return (x + torch.sqrt(x * x + b)) / 2


def log_sigmoid(x: Any) -> Any:
    return F.logsigmoid(as_float(x))


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    return F.leaky_relu(as_float(x), negative_slope)


def hard_sigmoid(x: Any) -> Any:
    return F.hardsigmoid(as_float(x))


def hard_silu(x: Any) -> Any:
    return F.hardswish(as_float(x))


def elu(x: Any, alpha: float = 1.0) -> Any:
    return F.elu(as_float(x), alpha)


def selu(x: Any) -> Any:
    return F.selu(as_float(x))


def gelu(x: Any, approximate: bool = True) -> Any:
    return F.gelu(as_float(x), approximate="tanh" if approximate else "none")


def celu(x: Any, alpha: float = 1.0) -> Any:
    return F.celu(as_float(x), alpha)


def glu(x: Any, axis: int = -1) -> Any:
    return F.glu(as_float(x), axis)


def hard_tanh(x: Any) -> Any:
    return F.hardtanh(as_float(x))


def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    return F.hardshrink(as_float(x), threshold)


def threshold(x: Any, threshold: float, default_value: float) -> Any:
    return F.threshold(convert_to_tensor(x), threshold, default_value)


def softmax(x: Any, axis: int | None = -1) -> Any:
    x = as_float(x)
    if axis is None:
        return F.softmax(x.reshape(-1), 0).reshape(x.shape)
    made = F.softmax(x, axis)
    return _remembering(made, x) if axis in (-1, x.ndim - 1) else made


def log_softmax(x: Any, axis: int | None = -1) -> Any:
    x = as_float(x)
    if axis is None:
        return F.log_softmax(x.reshape(-1), 0).reshape(x.shape)
    return F.log_softmax(x, axis)


def sparsemax(x: Any, axis: int = -1) -> Any:
    """Source: Martins and Astudillo, From softmax to sparsemax (2016)."""
    x = as_float(x)
    values = torch.sort(x, axis, descending=True).values
    sums = torch.cumsum(values, axis)
    shape = [1] * x.ndim
    shape[axis] = -1
    place = torch.arange(1, x.shape[axis] + 1, dtype=x.dtype).reshape(shape)
    inside = place * values > sums - 1
    count = torch.sum(inside, axis, keepdim=True)
    limit = (torch.gather(sums, axis, count - 1) - 1) / count.to(x.dtype)
    return torch.clamp(x - limit, min=0)
