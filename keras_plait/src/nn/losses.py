"""Losses of single elements, encodings of classes, CTC."""

from __future__ import annotations

import math
import warnings
from typing import Any

from keras.src import backend

import plait as torch
import plait.nn.functional as F
from keras_plait.src.core import convert_to_tensor, to_plait_dtype
from keras_plait.src.operands import together
from keras_plait.src.sparse import made_of, sums


def one_hot(
    x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False
) -> Any:
    """1 at the place of each class number; a number out of range has none."""
    x = convert_to_tensor(x).to(torch.int64)
    place = axis % (x.ndim + 1)
    dtype = to_plait_dtype(dtype or backend.floatx())
    if sparse:
        return _sparse_one_hot(x, num_classes, place, dtype)
    shape = [1] * (x.ndim + 1)
    shape[place] = num_classes
    hit = x.unsqueeze(place) == torch.arange(num_classes).reshape(shape)
    return hit.to(dtype)


def _sparse_one_hot(x: Any, num_classes: int, place: int, dtype: Any) -> Any:
    """A value for each number, so that their count does not depend on the numbers: 0 where one is
    out of range."""
    indices = list(torch.meshgrid(*[torch.arange(e) for e in x.shape], indexing="ij"))
    indices.insert(place, torch.clamp(x, 0, num_classes - 1))
    shape = [*x.shape[:place], num_classes, *x.shape[place:]]
    inside = (x >= 0) & (x < num_classes)
    return made_of([i.reshape(-1) for i in indices], inside.reshape(-1).to(dtype), shape)


def _along(rows: Any, axis: Any, keepdims: bool) -> Any:
    return rows


def multi_hot(
    x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False
) -> Any:
    """1 at the place of every class number of a row."""
    x = convert_to_tensor(x)
    reduced = 1 if x.ndim > 1 else 0
    if sparse:
        found = one_hot(x, num_classes, axis, "int32", sparse=True)
        times = sums(_along)(found, axis=reduced).coalesce()
        hit = times._values() > 0
        return times._with(hit.to(to_plait_dtype(dtype or backend.floatx())))
    return torch.amax(one_hot(x, num_classes, axis, dtype), reduced)


def _clipped(x: Any) -> Any:
    return torch.clamp(x, backend.epsilon(), 1 - backend.epsilon())


def _logits_of(output: Any, from_logits: bool, function: str) -> tuple[Any, bool]:
    """(what the loss is computed from, whether it is logits): of a softmax or sigmoid its input."""
    logits = getattr(output, "_keras_logits", None)
    if logits is None:
        return output, from_logits
    if from_logits:
        warnings.warn(
            f"`{function}` received `from_logits=True`, but the `output` argument was produced by "
            "a Softmax or Sigmoid activation and thus does not represent logits. Its input is used "
            "instead. Was this intended?",
            stacklevel=4,
        )
    return logits, True


def _log_probability(output: Any, from_logits: bool, axis: int) -> Any:
    if from_logits:
        return F.log_softmax(output, axis)
    return torch.log(_clipped(output / torch.sum(output, axis, keepdim=True)))


def categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    target, output = convert_to_tensor(target), convert_to_tensor(output)
    _require_same_shape(target, output)
    if target.ndim < 1:
        raise ValueError(
            "Arguments `target` and `output` must be at least rank 1. Received: "
            f"target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )
    output, from_logits = _logits_of(output, from_logits, "categorical_crossentropy")
    target, output = together(target, output, floating=True)
    return -torch.sum(target * _log_probability(output, from_logits, axis), axis)


def _require_same_shape(target: Any, output: Any) -> None:
    if target.shape != output.shape:
        raise ValueError(
            "Arguments `target` and `output` must have the same shape. Received: "
            f"target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )


def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """Cross-entropy by class numbers. Raises IndexError for numbers out of range."""
    target, output = convert_to_tensor(target).to(torch.int64), convert_to_tensor(output)
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = target.squeeze(-1)
    if output.ndim < 1:
        raise ValueError(
            "Argument `output` must be at least rank 1. Received: "
            f"output.shape={tuple(output.shape)}"
        )
    if target.shape != output.shape[:-1]:
        raise ValueError(
            "Arguments `target` and `output` must have the same shape up until the last "
            f"dimension: target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )
    if axis in (-1, output.ndim - 1):
        output, from_logits = _logits_of(output, from_logits, "sparse_categorical_crossentropy")
    if from_logits and axis in (-1, output.ndim - 1):
        rows = output.reshape(-1, output.shape[-1])
        made = F.cross_entropy(rows, target.reshape(-1), reduction="none", ignore_index=-(2**62))
        return made.reshape(target.shape)
    log_probability = _log_probability(output, from_logits, axis)
    return -torch.gather(log_probability, axis, target.unsqueeze(axis)).squeeze(axis)


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    target, output = convert_to_tensor(target), convert_to_tensor(output)
    _require_same_shape(target, output)
    output, from_logits = _logits_of(output, from_logits, "binary_crossentropy")
    target, output = together(target, output, floating=True)
    if from_logits:
        return F.binary_cross_entropy_with_logits(output, target, reduction="none")
    output = _clipped(output)
    return -(target * torch.log(output) + (1 - target) * torch.log(1 - output))


def psnr(x1: Any, x2: Any, max_val: float) -> Any:
    """The peak signal-to-noise ratio in decibels."""
    if tuple(x1.shape) != tuple(x2.shape):
        raise ValueError(
            f"Input shapes {tuple(x1.shape)} and {tuple(x2.shape)} must match for PSNR calculation."
        )
    x1, x2 = together(x1, x2, floating=True)
    error = torch.mean((x1 - x2) ** 2)
    return 20 * math.log10(max_val) - 10 * torch.log10(error)
