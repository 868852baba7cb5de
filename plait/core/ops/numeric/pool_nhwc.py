"""Channels-last pooling on NumPy, with maxima marked by their place in the window.

x: (N, H, W, C); results (N, H', W', C). Places are numbered row by row; those of a window that lie
in the padding take no part.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from plait.core.ops.numeric.patches import taps
from plait.core.ops.numeric.pool import lowest


def _padded(x: np.ndarray, padding: Any, value: Any) -> np.ndarray:
    return np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=value)


def _places(
    spatial: Any, extents: Any, window: Any, strides: Any, padding: Any, dilation: Any
) -> Iterator[tuple[int, Any, np.ndarray]]:
    """(number of a place, its index in a padded image, whether it is inside: (H', W', 1))."""
    inside = np.pad(np.ones(spatial, bool), padding)[..., None]
    for number, (_, where) in enumerate(taps(window, extents, strides, dilation)):
        index = (slice(None), *where[1:])
        yield number, index, inside[where[1:]]


def max_pool(x: np.ndarray, extents: Any, index_dtype: Any, **window: Any) -> Any:
    """(maxima, places): the first maximum of a window counts, or its last nan."""
    padded = _padded(x, window["padding"], lowest(x.dtype))
    shape = (x.shape[0], *extents, x.shape[3])
    best = np.full(shape, lowest(x.dtype), x.dtype)
    chosen = np.zeros(shape, index_dtype)
    found = np.zeros((*extents, 1), bool)
    for number, index, inside in _places(x.shape[1:3], extents, **window):
        candidate = padded[index]
        wins = inside & (~found | (candidate > best) | (candidate != candidate))
        np.copyto(best, candidate, where=wins)
        np.copyto(chosen, number, where=wins, casting="unsafe")
        found |= inside
    return best, chosen


def max_pool_grad(g: np.ndarray, chosen: np.ndarray, *, spatial: Any, **window: Any) -> Any:
    """Each g at the place that its window chose: (N, *spatial, C)."""
    padding = window["padding"]
    shape = [n + low + high for n, (low, high) in zip(spatial, padding)]
    total = np.zeros((g.shape[0], *shape, g.shape[3]), g.dtype)
    for number, index, inside in _places(spatial, g.shape[1:3], **window):
        total[index] += np.where(inside & (chosen == number), g, g.dtype.type(0))
    return _inner(total, spatial, padding)


def max_pool_pick(x: np.ndarray, chosen: np.ndarray, **window: Any) -> Any:
    """The element of x that each window chose, zero in the padding."""
    padded = _padded(x, window["padding"], 0)
    result = np.zeros(chosen.shape, x.dtype)
    for number, index, inside in _places(x.shape[1:3], chosen.shape[1:3], **window):
        np.copyto(result, padded[index], where=inside & (chosen == number))
    return result


def window_sum(x: np.ndarray, extents: Any, **window: Any) -> np.ndarray:
    """The sum of each window; padding adds nothing."""
    padded = _padded(x, window["padding"], 0)
    total = np.zeros((x.shape[0], *extents, x.shape[3]), x.dtype)
    for _, index, _ in _places(x.shape[1:3], extents, **window):
        total += padded[index]
    return total


def window_sum_grad(g: np.ndarray, *, spatial: Any, **window: Any) -> np.ndarray:
    """Each g at every place of its window."""
    padding = window["padding"]
    shape = [n + low + high for n, (low, high) in zip(spatial, padding)]
    total = np.zeros((g.shape[0], *shape, g.shape[3]), g.dtype)
    for _, index, _ in _places(spatial, g.shape[1:3], **window):
        total[index] += g
    return _inner(total, spatial, padding)


def _inner(padded: np.ndarray, spatial: Any, padding: Any) -> np.ndarray:
    rows, columns = [slice(low, low + n) for n, (low, _) in zip(spatial, padding)]
    return np.ascontiguousarray(padded[:, rows, columns])
