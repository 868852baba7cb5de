"""Pooling over sliding windows with PyTorch's rules for partial windows at the end.

x is (N, C, *spatial) throughout; windows, strides, padding and dilation have one int per spatial
axis, and padding is the same at both ends.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait.core.functional import arithmetic as fn
from plait.core.functional.arithmetic import rounded_once
from plait.core.functional.broadcasting import same_dtype
from plait.core.ir.dtypes import dtype_of
from plait.core.ir.op import leaf
from plait.core.ops.elementwise import ABS, SIGN, TRUNC_DIV
from plait.core.ops.index import SCATTER
from plait.core.ops.math import RELU
from plait.core.ops.source import full
from plait.core.ops.view import broadcast, reshape
from plait.core.ops.window import MAX_POOL, WINDOW_SUM

Ints = tuple[int, ...]


def pooled_extents(
    spatial: Ints, window: Ints, strides: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> Ints:
    """How many windows each axis has.

    In ceil mode a last window may reach beyond the padded input, if it starts before its right
    padding.
    """
    extents = []
    for n, k, s, p, d in zip(spatial, window, strides, padding, dilation):
        room = n + 2 * p - d * (k - 1) - 1
        extent = (room + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (extent - 1) * s >= n + p:
            extent -= 1
        extents.append(extent)
    return tuple(extents)


def _end_padding(
    spatial: Ints, extents: Ints, window: Ints, strides: Ints, padding: Ints, dilation: Ints
) -> tuple[tuple[int, int], ...]:
    """(low, high) padding with which the windows number `extents`."""
    return tuple(
        [
            (p, max(p, (e - 1) * s + d * (k - 1) + 1 - n - p))
            for n, e, k, s, p, d in zip(spatial, extents, window, strides, padding, dilation)
        ]
    )


def max_pool(
    x: Any, window: Ints, strides: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> tuple[Any, Any]:
    """(maxima, int64 positions in the flattened plane) of the windows."""
    spatial = tuple(x.shape[2:])
    extents = pooled_extents(spatial, window, strides, padding, dilation, ceil_mode)
    pairs = _end_padding(spatial, extents, window, strides, padding, dilation)
    return MAX_POOL(x, window=window, strides=strides, padding=pairs, dilation=dilation)


def _covered(spatial: Ints, extents: Ints, window: Ints, strides: Ints, padding: Ints, pad: bool):
    """How many elements each window has: those of the input, and with `pad` of the padding."""
    counts: Any = np.ones((), np.int64)
    for n, e, k, s, p in zip(spatial, extents, window, strides, padding):
        start = np.arange(e) * s - p
        stop = np.minimum(start + k, n + p)
        if not pad:
            start, stop = np.maximum(start, 0), np.minimum(stop, n)
        counts = counts[..., None] * (stop - start)
    return counts


def avg_pool(
    x: Any,
    window: Ints,
    strides: Ints,
    padding: Ints,
    ceil_mode: bool,
    count_padding: bool,
    divisor: int | None,
) -> Any:
    """The mean of each window, or its sum over `divisor`."""
    spatial, one = tuple(x.shape[2:]), (1,) * len(window)
    extents = pooled_extents(spatial, window, strides, padding, one, ceil_mode)
    pairs = _end_padding(spatial, extents, window, strides, padding, one)

    def formula(x: Any) -> Any:
        sums = WINDOW_SUM(x, window=window, strides=strides, padding=pairs, dilation=one)
        by = divisor or _divisors(spatial, extents, window, strides, padding, count_padding, sums)
        if sums.dtype.kind == "f":
            return fn.div(sums, by)
        return same_dtype(TRUNC_DIV, sums, by)

    return rounded_once(formula, x)


def _divisors(
    spatial: Ints, extents: Ints, window: Ints, strides: Ints, padding: Ints, pad: bool, sums: Any
) -> Any:
    """One number where the windows are alike, else one for each."""
    counts = _covered(spatial, extents, window, strides, padding, pad)
    if counts.size and (counts == counts.flat[0]).all():
        return int(counts.flat[0])
    array = counts.astype(sums.dtype.numpy)
    return broadcast(leaf(array, array.shape, dtype_of(array.dtype)), tuple(sums.shape))


def lp_pool(x: Any, p: float, window: Ints, strides: Ints, ceil_mode: bool) -> Any:
    """(sum x^p)^(1/p) over each window, by way of the mean as in PyTorch."""
    none = (0,) * len(window)
    mean = avg_pool(fn.power(x, float(p)), window, strides, none, ceil_mode, True, None)
    kept = fn.mul(SIGN(mean), RELU(ABS(mean)))
    return fn.power(fn.mul(kept, math.prod(window)), 1.0 / p)


def max_unpool(x: Any, indices: Any, spatial: Ints) -> Any:
    """Planes of zeros `spatial` with the elements of x put at their positions."""
    lead, plane = tuple(x.shape[:2]), math.prod(spatial)
    flat = (*lead, math.prod(x.shape[2:]))
    base = full(0, (*lead, plane), x.dtype)
    made = SCATTER(base, reshape(indices, flat), reshape(x, flat), axis=2, mode="set")
    return reshape(made, (*lead, *spatial))


def local_response_sums(x: Any, size: int) -> Any:
    """The mean over `size` neighbouring channels (zeros beyond the ends) of x (N, C, ...)."""
    planes = reshape(x, (x.shape[0], x.shape[1], math.prod(x.shape[2:])))
    sums = WINDOW_SUM(
        planes,
        window=(size, 1),
        strides=(1, 1),
        padding=((size // 2, (size - 1) // 2), (0, 0)),
        dilation=(1, 1),
    )
    return fn.div(reshape(sums, tuple(x.shape)), size)
