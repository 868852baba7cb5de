"""Sliding windows on NumPy: padding, patches (im2col), and their transpose (col2im).

Spatial axes are the trailing ones. Everything works for any number of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np


def pad_spatial(x: np.ndarray, padding: Any, value: Any = 0) -> np.ndarray:
    """`x` with `value` around its last len(padding) axes; `x` itself where nothing is added."""
    if not any(low or high for low, high in padding):
        return x
    lead = x.ndim - len(padding)
    shape = [n + low + high for n, (low, high) in zip(x.shape[lead:], padding)]
    padded = np.full((*x.shape[:lead], *shape), value, x.dtype)
    padded[inner(x.shape[lead:], padding)] = x
    return padded


def inner(spatial: Any, padding: Any) -> tuple[Any, ...]:
    """The index of the unpadded part of a padded array."""
    return (..., *[slice(low, low + n) for n, (low, _) in zip(spatial, padding)])


def taps(
    window: Any, extents: Any, strides: Any, dilation: Any
) -> Iterator[tuple[tuple[int, ...], tuple[Any, ...]]]:
    """Each place in the window, with the index of the elements it meets in the padded input."""
    for place in itertools.product(*[range(k) for k in window]):
        starts = [t * d for t, d in zip(place, dilation)]
        yield (
            place,
            (
                ...,
                *[
                    slice(start, start + (n - 1) * stride + 1, stride)
                    for start, n, stride in zip(starts, extents, strides)
                ],
            ),
        )


def windows_view(
    x: np.ndarray, window: Any, extents: Any, strides: Any, dilation: Any
) -> np.ndarray:
    """A read-only view (*lead, *window, *extents) of a padded input (*lead, *spatial)."""
    lead = x.ndim - len(window)
    steps = x.strides[lead:]
    return np.lib.stride_tricks.as_strided(
        x,
        (*x.shape[:lead], *window, *extents),
        (
            *x.strides[:lead],
            *[step * d for step, d in zip(steps, dilation)],
            *[step * s for step, s in zip(steps, strides)],
        ),
        writeable=False,
    )


def unfold(
    x: np.ndarray, extents: Any, *, kernel: Any, strides: Any, padding: Any, dilation: Any
) -> np.ndarray:
    """Patches of x (N, C, *spatial) as (N, C * prod(kernel), prod(extents))."""
    view = windows_view(pad_spatial(x, padding), kernel, extents, strides, dilation)
    return view.reshape(x.shape[0], x.shape[1] * math.prod(kernel), math.prod(extents))


def fold(
    columns: np.ndarray,
    extents: Any,
    *,
    spatial: Any,
    kernel: Any,
    strides: Any,
    padding: Any,
    dilation: Any,
) -> np.ndarray:
    """Add patches (N, C, *kernel, *extents) into (N, C, *spatial): the transpose of `unfold`."""
    padded = np.zeros(
        (*columns.shape[:2], *[n + low + high for n, (low, high) in zip(spatial, padding)]),
        columns.dtype,
    )
    for place, where in taps(kernel, extents, strides, dilation):
        padded[where] += columns[(slice(None), slice(None), *place)]
    return padded[inner(spatial, padding)]
