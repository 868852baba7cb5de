"""Means and variances, and normalization by them."""

from __future__ import annotations

from typing import Any

import plait as torch
from keras_plait.src.core import convert_to_tensor
from keras_plait.src.operands import axes_of, name_of


def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> Any:
    """(mean, variance) over the axes; 16-bit floats by way of float32."""
    if synchronized:
        raise NotImplementedError(
            "Argument synchronized=True is not supported with the plait backend."
        )
    x = convert_to_tensor(x)
    dtype = x.dtype
    narrow = name_of(x) in ("float16", "bfloat16")
    if narrow:
        x = x.to(torch.float32)
    over = axes_of(axes, x.ndim)
    mean = torch.mean(x, over, keepdim=True)
    offset = x - mean
    variance = torch.mean(offset * offset, over, keepdim=keepdims)
    if not keepdims:
        mean = mean.reshape(variance.shape)
    if not narrow:
        return mean, variance
    limit = torch.finfo(torch.float16)
    return tuple(torch.clamp(v, limit.min, limit.max).to(dtype) for v in (mean, variance))


def batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    axis: int,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
) -> Any:
    """(x - mean) / sqrt(variance + epsilon) * scale + offset, all (channels,) along `axis`."""
    x = convert_to_tensor(x)
    shape = [1] * x.ndim
    shape[axis] = -1

    def along(value: Any) -> Any:
        return convert_to_tensor(value).reshape(shape)

    factor = torch.rsqrt(along(variance) + epsilon)
    if scale is not None:
        factor = factor * along(scale)
    shift = -along(mean) * factor
    if offset is not None:
        shift = shift + along(offset)
    return x * factor + shift
