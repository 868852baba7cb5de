"""Normalisation with given statistics, and the statistics that run along with training."""

from __future__ import annotations

import math
from typing import Any

from plait.core.functional import arithmetic as fn
from plait.core.ir.op import elements
from plait.core.ops.elementwise import ADD, MUL, SUB, cast
from plait.core.ops.math import RSQRT
from plait.core.ops.norm import BATCH_NORM
from plait.core.ops.source import full
from plait.core.ops.view import broadcast, reshape


def affine_operands(weight: Any, bias: Any, shape: tuple[int, ...], dtype: Any) -> tuple[Any, ...]:
    """The affine operands of a normalisation record: a bias alone is preceded by ones."""
    if weight is None and bias is None:
        return ()
    scale = full(1, shape, dtype) if weight is None else weight
    return (scale,) if bias is None else (scale, bias)


def per_channel(vector: Any, x: Any) -> Any:
    """(C,) repeated to the shape of x (N, C, ...)."""
    column = reshape(vector, (1, vector.shape[0], *[1] * (len(x.shape) - 2)))
    return broadcast(column, tuple(x.shape))


def batch_norm_with(x: Any, mean: Any, variance: Any, weight: Any, bias: Any, eps: float) -> Any:
    """(x - mean) / sqrt(variance + eps) * weight + bias, with one of each per channel.

    All of one dtype; weight and bias may be None.
    """
    # One multiplication and one addition for each element: the rest is done per channel.
    scale = RSQRT(fn.add(variance, eps))
    if weight is not None:
        scale = MUL(scale, weight)
    shift = MUL(mean, scale)
    shift = fn.sub(0, shift) if bias is None else SUB(bias, shift)
    return ADD(MUL(x, per_channel(scale, x)), per_channel(shift, x))


def batch_norm_training(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """(normalised x, mean, unbiased variance), the statistics those of x (N, C, ...) itself."""
    affine = affine_operands(weight, bias, (x.shape[1],), x.dtype)
    y, mean, variance = BATCH_NORM(x, *affine, eps=eps)
    count = x.shape[0] * elements(tuple(x.shape[2:]))
    unbiased = fn.mul(variance, count / (count - 1) if count > 1 else math.nan)
    return y, mean, unbiased


def running(held: Any, new: Any, momentum: float) -> Any:
    """(1 - momentum) * held + momentum * new, in the dtype of `held`."""
    return fn.add(fn.mul(held, 1 - momentum), fn.mul(cast(new, held.dtype), momentum))
