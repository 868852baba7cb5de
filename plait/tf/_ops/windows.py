"""Convolution and pooling with TensorFlow's layouts and padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plait
from plait.core.ir.errors import error
from plait.nn import functional as F
from plait.tf import errors
from plait.tf._convert import ints, pair, require, wrap
from plait.tf._dispatch import op

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
_MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def _per_axis(value: Any, rank: int, first: bool, name: str) -> tuple[int, ...]:
    """One number per spatial axis, from a number, one per spatial axis, or one per axis."""
    if value is None:
        return (1,) * rank
    given = ints(value)
    if len(given) == 1:
        return given * rank
    if len(given) == rank:
        return given
    if len(given) == rank + 2:
        return given[2:] if first else given[1:-1]
    raise error(ValueError, f"{name} should be of length 1, {rank} or {rank + 2}, got {len(given)}")


def _is_first(data_format: str | None) -> bool:
    return data_format is not None and data_format.startswith("NC")


def _to_first(x: Any, first: bool) -> Any:
    return x if first else x.permute((0, x.ndim - 1, *range(1, x.ndim - 1)))


def _from_first(x: Any, first: bool) -> Any:
    return x if first else x.permute((0, *range(2, x.ndim), 1))


def pads(
    padding: Any,
    extents: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    first: bool = False,
) -> list[tuple[int, int]]:
    """How much is put before and after each spatial axis. Raises ValueError for an unknown rule."""
    rank = len(window)
    if isinstance(padding, (list, tuple)):
        given = [tuple(int(n) for n in p) for p in padding]
        return given[2:] if first else given[1:-1]  # type: ignore[return-value]  # pairs
    rule = str(padding).upper()
    if rule == "VALID":
        return [(0, 0)] * rank
    if rule != "SAME":
        raise error(ValueError, f"Padding must be 'SAME', 'VALID' or a list, got {padding!r}")
    made = []
    for n, k, s, d in zip(extents, window, strides, dilations):
        total = max((math.ceil(n / s) - 1) * s + (k - 1) * d + 1 - n, 0)
        made.append((total // 2, total - total // 2))
    return made


def _padded(x: Any, pairs: list[tuple[int, int]], value: float) -> tuple[Any, Any]:
    """(x with what differs between the two ends put around it, the padding that is left)."""
    if all(a == b for a, b in pairs):
        return x, tuple([a for a, _ in pairs])
    flat = [n for p in reversed(pairs) for n in p]
    return F.pad(x, flat, value=value), (0,) * len(pairs)


def convolved(
    x: Any, filters: Any, strides: Any, padding: Any, data_format: Any, dilations: Any, rank: int
) -> Any:
    """The core's convolution of tensors in TensorFlow's layouts."""
    first = _is_first(data_format)
    steps = _per_axis(strides, rank, first, "strides")
    spread = _per_axis(dilations, rank, first, "dilations")
    if x.ndim != rank + 2:
        raise error(
            errors.InvalidArgumentError,
            f"input must be {rank + 2}-dimensional: {list(x.shape)} [Op:Conv{rank}D]",
        )
    if filters.ndim != rank + 2:
        raise error(
            errors.InvalidArgumentError,
            f"filter must be {rank + 2}-dimensional: {list(filters.shape)} [Op:Conv{rank}D]",
        )
    channels = x.shape[1] if first else x.shape[-1]
    inside = filters.shape[-2]
    if inside == 0 or channels % inside:
        raise error(
            errors.InvalidArgumentError,
            f"input depth must be evenly divisible by filter depth: {channels} vs {inside} "
            f"[Op:Conv{rank}D]",
        )
    held = _to_first(x, first)
    window = filters.shape[:rank]
    around = pads(padding, held.shape[2:], window, steps, spread, first)
    held, left = _padded(held, around, 0.0)
    weight = filters.permute((rank + 1, rank, *range(rank)))
    made = _CONV[rank](held, weight, None, steps, left, spread, channels // inside)
    return _from_first(made, first)


def _convolution(public: str, rank: int) -> Any:
    def convolve(
        input: Any,
        filters: Any = None,
        strides: Any = 1,
        padding: Any = "VALID",
        data_format: Any = None,
        dilations: Any = None,
        filter: Any = None,
        stride: Any = None,
        use_cudnn_on_gpu: Any = None,
    ) -> Any:
        x, w = pair(f"Conv{rank}D", input, filters if filter is None else filter)
        steps = strides if stride is None else stride
        return wrap(convolved(x, w, steps, padding, data_format, dilations, rank))

    convolve.__name__ = public
    convolve.__doc__ = f"Convolution over {rank} axes; filters (*window, in, out)."
    return op(convolve)


conv1d = _convolution("conv1d", 1)
conv2d = _convolution("conv2d", 2)
conv3d = _convolution("conv3d", 3)


@op
def convolution(
    input: Any,
    filters: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = None,
) -> Any:
    """Convolution over as many axes as the input has between batch and channels."""
    x, w = pair("Convolution", input, filters)
    return wrap(convolved(x, w, strides, padding, data_format, dilations, x.ndim - 2))


def _transposed(public: str, rank: int) -> Any:
    def convolve(
        input: Any,
        filters: Any = None,
        output_shape: Any = None,
        strides: Any = 1,
        padding: Any = "SAME",
        data_format: Any = None,
        dilations: Any = None,
        filter: Any = None,
    ) -> Any:
        x, w = pair(f"Conv{rank}DBackpropInput", input, filters if filter is None else filter)
        first = _is_first(data_format)
        steps = _per_axis(strides, rank, first, "strides")
        spread = _per_axis(dilations, rank, first, "dilations")
        wanted = ints(output_shape)
        extents = (wanted[2:] if first else wanted[1:-1]) if len(wanted) == rank + 2 else wanted
        return wrap(transposed(x, w, extents, steps, padding, spread, first))

    convolve.__name__ = public
    convolve.__doc__ = (
        f"The transpose of a convolution over {rank} axes; filters (*window, out, in)."
    )
    return op(convolve)


def transposed(
    x: Any,
    filters: Any,
    extents: Sequence[int],
    steps: Sequence[int],
    padding: Any,
    spread: Sequence[int],
    first: bool,
) -> Any:
    """The core's transposed convolution: all of it, from which the padding is cut away."""
    rank = len(extents)
    held = _to_first(x, first)
    window = filters.shape[:rank]
    around = pads(padding, extents, window, steps, spread, first)
    weight = filters.permute((rank + 1, rank, *range(rank)))
    made = _TRANSPOSED[rank](held, weight, None, tuple(steps), 0, 0, 1, tuple(spread))
    for axis, (extent, (before, _)) in enumerate(zip(extents, around)):
        have = made.shape[axis + 2]
        if before + extent > have:
            shape = list(made.shape)
            shape[axis + 2] = before + extent - have
            made = plait.cat((made, plait.zeros(shape, dtype=made.dtype)), dim=axis + 2)
        made = made.narrow(axis + 2, before, extent)
    return _from_first(made.clone(), first)


conv1d_transpose = _transposed("conv1d_transpose", 1)
conv2d_transpose = _transposed("conv2d_transpose", 2)
conv3d_transpose = _transposed("conv3d_transpose", 3)


@op
def depthwise_conv2d(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    data_format: Any = None,
    dilations: Any = None,
    rate: Any = None,
) -> Any:
    """Each channel convolved with filters of its own: (h, w, channels, multiplier)."""
    x, w = pair("DepthwiseConv2dNative", input, filter)
    return wrap(depthwise(x, w, strides, padding, data_format, dilations or rate))


def depthwise(x: Any, w: Any, strides: Any, padding: Any, data_format: Any, dilations: Any) -> Any:
    """The core of `depthwise_conv2d`."""
    first = _is_first(data_format)
    steps = _per_axis(strides, 2, first, "strides")
    spread = _per_axis(dilations, 2, first, "dilations")
    held = _to_first(x, first)
    h, v, channels, many = w.shape
    around = pads(padding, held.shape[2:], (h, v), steps, spread, first)
    held, left = _padded(held, around, 0.0)
    weight = w.permute((2, 3, 0, 1)).reshape((channels * many, 1, h, v))
    return _from_first(F.conv2d(held, weight, None, steps, left, spread, channels), first)


@op
def separable_conv2d(
    input: Any,
    depthwise_filter: Any,
    pointwise_filter: Any,
    strides: Any,
    padding: Any,
    data_format: Any = None,
    dilations: Any = None,
) -> Any:
    """A depthwise convolution, then one over single places."""
    x, w = pair("DepthwiseConv2dNative", input, depthwise_filter)
    _, p = pair("Conv2D", input, pointwise_filter)
    made = depthwise(x, w, strides, padding, data_format, dilations)
    return wrap(convolved(made, p, 1, "VALID", data_format, None, 2))


def pooled(
    x: Any, ksize: Any, strides: Any, padding: Any, data_format: Any, rank: int, largest: bool
) -> Any:
    """The core's pooling of a tensor in TensorFlow's layout; padding is not counted."""
    first = _is_first(data_format)
    window = _per_axis(ksize, rank, first, "ksize")
    steps = _per_axis(strides, rank, first, "strides")
    held = _to_first(x, first)
    around = pads(padding, held.shape[2:], window, steps, (1,) * rank, first)
    if not any(a or b for a, b in around):
        return _from_first((_MAX if largest else _AVERAGE)[rank](held, window, steps), first)
    flat = [n for p in reversed(around) for n in p]
    if largest:
        lowest = -math.inf if held.dtype.kind == "f" else plait.iinfo(held.dtype).min
        return _from_first(_MAX[rank](F.pad(held, flat, value=lowest), window, steps), first)
    sums = _AVERAGE[rank](F.pad(held, flat), window, steps)
    there = plait.ones((1, 1, *held.shape[2:]), dtype=held.dtype)
    counts = _AVERAGE[rank](F.pad(there, flat), window, steps)
    return _from_first(sums / counts, first)


def _pooling(public: str, rank: int | None, largest: bool) -> Any:
    def pool(
        input: Any = None,
        ksize: Any = 1,
        strides: Any = 1,
        padding: Any = "VALID",
        data_format: Any = None,
        value: Any = None,
    ) -> Any:
        x = require("MaxPool" if largest else "AvgPool", input if value is None else value, "fiu")
        axes = x.ndim - 2 if rank is None else rank
        if x.ndim != axes + 2:
            raise error(
                errors.InvalidArgumentError,
                f"tensor_in must be {axes + 2}-dimensional, got {list(x.shape)} [Op:{public}]",
            )
        return wrap(pooled(x, ksize, strides, padding, data_format, axes, largest))

    pool.__name__ = public
    pool.__doc__ = f"The {'maxima' if largest else 'means'} of windows."
    return op(pool)


max_pool = _pooling("max_pool", None, True)
max_pool1d = _pooling("max_pool1d", 1, True)
max_pool2d = _pooling("max_pool2d", 2, True)
max_pool3d = _pooling("max_pool3d", 3, True)
avg_pool = _pooling("avg_pool", None, False)
avg_pool1d = _pooling("avg_pool1d", 1, False)
avg_pool2d = _pooling("avg_pool2d", 2, False)
avg_pool3d = _pooling("avg_pool3d", 3, False)


@op
def pool(
    input: Any,
    window_shape: Any,
    pooling_type: str,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = None,
) -> Any:
    """Pooling by name: "MAX" or "AVG"."""
    x = require("Pool", input, "f")
    largest = pooling_type.upper() == "MAX"
    return wrap(pooled(x, window_shape, strides, padding, data_format, x.ndim - 2, largest))
