"""Pooling on NumPy: maxima with their positions, sums over windows, and their transposes.

The windows slide over the trailing axes; the axes before them are carried along.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait.core.ops.numeric.patches import pad_spatial, taps


def lowest(dtype: np.dtype) -> Any:
    """The value that no element is below: -inf, or the least integer."""
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def max_pool(
    x: np.ndarray, extents: Any, *, window: Any, strides: Any, padding: Any, dilation: Any
) -> tuple[np.ndarray, np.ndarray]:
    """(maxima, positions in the flattened unpadded plane), both (*lead, *extents).

    The first maximum of a window counts; a nan is above everything, and the last one counts.
    """
    has_nan = x.dtype.kind == "f" and bool(np.isnan(x).any())
    plain = not has_nan and not any(low or high for low, high in padding)
    if plain and window == strides == (2, 2) and dilation == (1, 1):
        return _max_pool_2x2(x, extents)
    padded = pad_spatial(x, padding, lowest(x.dtype))
    best: Any = None
    # Place numbers in the narrowest type: they are rewritten once per place of the window.
    number_type = np.min_scalar_type(math.prod(window) - 1)
    chosen = np.zeros((*x.shape[: x.ndim - len(window)], *extents), number_type)
    for number, (_, where) in enumerate(taps(window, extents, strides, dilation)):
        candidate = padded[where]
        if best is None:
            best = candidate.copy()
            continue
        wins = candidate > best
        if has_nan:
            wins |= np.isnan(candidate)
        np.maximum(best, candidate, out=best)
        # Later places have higher numbers: the highest of those that won is the last winner.
        np.maximum(chosen, wins.view(np.uint8) * number_type.type(number), out=chosen)
    spatial = x.shape[x.ndim - len(window) :]
    return best, _positions(chosen, spatial, extents, window, strides, padding, dilation)


def _positions(
    chosen: np.ndarray,
    spatial: Any,
    extents: Any,
    window: Any,
    strides: Any,
    padding: Any,
    dilation: Any,
) -> np.ndarray:
    """Plane positions of the window places in `chosen`.

    A window of nothing but the lowest value keeps place 0, which may lie in the padding; moving to
    the next place inside names the first element that the window meets.
    """
    rank = len(window)
    flat = np.zeros(chosen.shape, np.int64)
    for axis, place in enumerate(np.indices(window).reshape(rank, -1)):
        shape = [-1 if i == axis else 1 for i in range(rank)]
        start = (np.arange(extents[axis]) * strides[axis] - padding[axis][0]).reshape(shape)
        at = start + (place * dilation[axis])[chosen]
        if padding[axis][0]:
            short = np.maximum(-(np.minimum(at, 0) // dilation[axis]), 0)
            at += short * dilation[axis]
        flat *= spatial[axis]
        flat += np.minimum(at, spatial[axis] - 1)
    return flat


def _max_pool_2x2(x: np.ndarray, extents: Any) -> tuple[np.ndarray, np.ndarray]:
    """Windows that neither overlap nor are padded, without nan: six passes in all."""
    height, width = extents
    columns = x.shape[-1]
    whole = x[..., : 2 * height, : 2 * width]
    top_left, top_right = whole[..., ::2, ::2], whole[..., ::2, 1::2]
    low_left, low_right = whole[..., 1::2, ::2], whole[..., 1::2, 1::2]
    top, low = np.maximum(top_left, top_right), np.maximum(low_left, low_right)
    is_low = low > top
    is_right = np.where(is_low, low_right > low_left, top_right > top_left)
    corner = np.arange(height)[:, None] * (2 * columns) + np.arange(width) * 2
    return np.maximum(top, low), corner + is_low * np.int64(columns) + is_right


def pool_scatter(g: np.ndarray, indices: np.ndarray, *, spatial: Any) -> np.ndarray:
    """Add each element of g at its plane position: (*lead, *spatial). Repeats add in order."""
    lead = g.shape[: g.ndim - len(spatial)]
    plane = math.prod(spatial)
    result = np.zeros(math.prod(lead) * plane, g.dtype)
    if g.size:
        np.add.at(result, _flat_places(indices, math.prod(lead), plane), g.reshape(-1))
    return result.reshape(*lead, *spatial)


def pool_gather(x: np.ndarray, indices: np.ndarray, *, rank: int) -> np.ndarray:
    """The elements of each plane of x (*lead, *spatial) at `indices` (*lead, *extents)."""
    lead, spatial = x.shape[: x.ndim - rank], x.shape[x.ndim - rank :]
    if not indices.size:
        return np.empty(indices.shape, x.dtype)
    places = _flat_places(indices, math.prod(lead), math.prod(spatial))
    return x.reshape(-1)[places].reshape(indices.shape)


def _flat_places(indices: np.ndarray, planes: int, plane: int) -> np.ndarray:
    rows = indices.reshape(planes, -1)
    return (rows + (np.arange(planes) * plane)[:, None]).reshape(-1)


def window_sum(
    x: np.ndarray, extents: Any, *, window: Any, strides: Any, padding: Any, dilation: Any
) -> np.ndarray:
    """Sums over windows, one axis after another; padding adds nothing."""
    x = pad_spatial(x, padding)
    lead = x.ndim - len(window)
    for axis, reach in enumerate(window):
        one = _along(x, lead + axis)
        total: Any = None
        for _, where in taps((reach,), (extents[axis],), (strides[axis],), (dilation[axis],)):
            part = one[where]
            total = part.copy() if total is None else np.add(total, part, out=total)
        x = np.moveaxis(total, -1, lead + axis)
    return np.ascontiguousarray(x)


def _along(x: np.ndarray, axis: int) -> np.ndarray:
    """`x` as a view with one axis last, the order of its memory unchanged."""
    return np.moveaxis(x, axis, -1)


def window_sum_grad(
    g: np.ndarray, *, spatial: Any, window: Any, strides: Any, padding: Any, dilation: Any
) -> np.ndarray:
    """The transpose of `window_sum`: each g is added to every element of its window."""
    lead = g.ndim - len(window)
    for axis, reach in enumerate(window):
        low, high = padding[axis]
        source = _along(g, lead + axis)
        shape = list(g.shape)
        shape[lead + axis] = spatial[axis] + low + high
        padded = np.zeros(shape, g.dtype)
        target = _along(padded, lead + axis)
        taken = (source.shape[-1],)
        for _, where in taps((reach,), taken, (strides[axis],), (dilation[axis],)):
            target[where] += source
        g = np.moveaxis(target[..., low : low + spatial[axis]], -1, lead + axis)
    return np.ascontiguousarray(g)
