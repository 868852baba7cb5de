"""Pooling over windows, and to a given size."""

from __future__ import annotations

import math
from typing import Any

from keras.src import backend

import plait as torch
import plait.nn.functional as F
from keras_plait.src.core import convert_to_tensor
from keras_plait.src.nn.convolution import as_given, channels_first, each_axis, flat, same_padding

_MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def _prepared(
    inputs: Any, pool_size: Any, strides: Any, padding: str, data_format: str | None
) -> tuple[Any, tuple[int, ...], tuple[int, ...], list[tuple[int, int]], str]:
    """Input with the channels first, window, strides, padding of each axis, data format."""
    if padding not in ("same", "valid"):
        raise ValueError(f"Invalid padding '{padding}', must be 'same' or 'valid'.")
    data_format = backend.standardize_data_format(data_format)
    x = channels_first(convert_to_tensor(inputs), data_format)
    axes = x.ndim - 2
    window = each_axis(pool_size, axes)
    steps = window if strides is None else each_axis(strides, axes)
    widths = [(0, 0)] * axes
    if padding == "same":
        widths = same_padding(x.shape[2:], window, steps, (1,) * axes)
    return x, window, steps, widths, data_format


def max_pool(
    inputs: Any,
    pool_size: Any,
    strides: Any = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    x, window, steps, widths, data_format = _prepared(
        inputs, pool_size, strides, padding, data_format
    )
    if any(width for pair in widths for width in pair):
        least = -math.inf if x.dtype.is_floating_point else torch.iinfo(x.dtype).min
        x = F.pad(x, flat(widths), value=least)
    return as_given(_MAX[x.ndim - 2](x, window, steps), data_format)


def average_pool(
    inputs: Any,
    pool_size: Any,
    strides: Any = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Means over windows; what is padded does not count."""
    x, window, steps, widths, data_format = _prepared(
        inputs, pool_size, strides, padding, data_format
    )
    pool = _AVERAGE[x.ndim - 2]
    if not any(width for pair in widths for width in pair):
        return as_given(pool(x, window, steps), data_format)
    share = pool(F.pad(torch.ones(1, 1, *x.shape[2:], dtype=x.dtype), flat(widths)), window, steps)
    return as_given(pool(F.pad(x, flat(widths)), window, steps) / share, data_format)


_ADAPTIVE_AVERAGE = {
    1: F.adaptive_avg_pool1d,
    2: F.adaptive_avg_pool2d,
    3: F.adaptive_avg_pool3d,
}
_ADAPTIVE_MAX = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}


def adaptive_average_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    return _adaptive(_ADAPTIVE_AVERAGE, "adaptive_average_pool", inputs, output_size, data_format)


def adaptive_max_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    return _adaptive(_ADAPTIVE_MAX, "adaptive_max_pool", inputs, output_size, data_format)


def _adaptive(
    pools: dict[int, Any], name: str, inputs: Any, output_size: Any, data_format: str | None
) -> Any:
    data_format = backend.standardize_data_format(data_format)
    x = channels_first(convert_to_tensor(inputs), data_format)
    axes = x.ndim - 2
    if axes not in pools:
        raise ValueError(f"{name} supports only 1D/2D/3D inputs")
    return as_given(pools[axes](x, each_axis(output_size, axes)), data_format)
