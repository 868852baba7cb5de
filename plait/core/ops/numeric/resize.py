"""Where the elements of a resized axis come from: indices and weights, as PyTorch places them.

Source positions are computed in the precision of the data (float32, or float64), since the nearest
neighbour of a position on the border between two depends on its rounding.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

#: Keys' cubic convolution parameter (IEEE Trans. ASSP 29, 1981), as PyTorch and OpenCV choose it.
CUBIC = -0.75


def source_scale(
    source: int, target: int, align_corners: bool, scale: float | None, real: np.dtype
) -> np.generic:
    """The distance in the source between two neighbours of the result."""
    number = real.type
    if align_corners:
        return number(source - 1) / number(target - 1) if target > 1 else number(0)
    if scale is not None and scale > 0:
        return number(1.0 / scale)
    return number(source) / number(target)


def nearest_indices(
    source: int, target: int, mode: str, scale: float | None, real: np.dtype
) -> np.ndarray:
    """For each of `target` elements, the one of `source` it takes: int64 (target,).

    mode: "nearest" (the floor of the scaled index) or "nearest-exact" (that of its centre).
    """
    step = source_scale(source, target, False, scale, real)
    at = np.arange(target).astype(real)
    if mode == "nearest-exact":
        at = at + real.type(0.5)
    return np.minimum(np.floor(at * step).astype(np.int64), source - 1)


def resize_taps(
    source: int, target: int, mode: str, align_corners: bool, scale: float | None, real: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """(indices, weights), both (target, taps): two taps for "linear", four for "cubic".

    An index beyond the border is that of the border element.
    """
    step = source_scale(source, target, align_corners, scale, real)
    number = real.type
    at = np.arange(target).astype(real)
    if align_corners:
        at = at * step
    else:
        at = (at + number(0.5)) * step - number(0.5)
    if mode == "linear":
        at = np.maximum(at, number(0))
        first = np.minimum(np.floor(at).astype(np.int64), source - 1)
        part = np.clip(at - first.astype(real), number(0), number(1))
        offsets = np.arange(2)
        weights = np.stack([1 - part, part], 1)
    else:
        first = np.floor(at).astype(np.int64)
        part = at - first.astype(real)
        offsets = np.arange(-1, 3)
        weights = _cubic_weights(part)
    indices = np.clip(first[:, None] + offsets, 0, source - 1)
    return indices, weights.astype(real)


def _cubic_weights(part: np.ndarray) -> np.ndarray:
    """Cubic convolution of four neighbours around a point `part` after the second: (n, 4)."""
    a = CUBIC

    def near(x: np.ndarray) -> np.ndarray:  # distance up to 1
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: np.ndarray) -> np.ndarray:  # distance from 1 to 2
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return np.stack([far(part + 1), near(part), near(1 - part), far(2 - part)], 1)


@lru_cache(maxsize=256)
def resize_matrix(
    source: int, target: int, mode: str, align_corners: bool, scale: float | None, real: np.dtype
) -> np.ndarray:
    """`resize_taps` as a matrix (target, source), read-only; taps at one index add."""
    indices, weights = resize_taps(source, target, mode, align_corners, scale, real)
    matrix = np.zeros((target, source), real)
    np.add.at(matrix, (np.arange(target)[:, None], indices), weights)
    matrix.flags.writeable = False
    return matrix


@lru_cache(maxsize=256)
def smoothing_matrix(
    source: int, target: int, mode: str, align_corners: bool, scale: float | None, real: np.dtype
) -> np.ndarray:
    """The matrix (target, source) of a resize whose filter widens with the reduction, read-only.

    mode: "linear" (triangle) or "cubic". Each row sums to 1. Source: Pillow's resampling, which
    PyTorch's `antialias=True` follows.
    """
    step = float(source_scale(source, target, align_corners, scale, real))
    widening = max(step, 1.0)
    support = (1.0 if mode == "linear" else 2.0) * widening
    center = (np.arange(target) + 0.5) * step
    first = np.maximum((center - support + 0.5).astype(np.int64), 0)
    last = np.minimum((center + support + 0.5).astype(np.int64), source)
    places = np.arange(source)
    distance = np.abs(places + 0.5 - center[:, None]) / widening
    weights = np.maximum(1 - distance, 0) if mode == "linear" else _smooth_cubic(distance)
    weights = np.where((places >= first[:, None]) & (places < last[:, None]), weights, 0)
    matrix = (weights / weights.sum(1, keepdims=True)).astype(real)
    matrix.flags.writeable = False
    return matrix


def _smooth_cubic(distance: np.ndarray) -> np.ndarray:
    """Keys' cubic with a = -0.5, as Pillow has it."""
    a, x = -0.5, distance
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def adaptive_bounds(source: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """(starts, stops) of the source ranges that adaptive pooling gives each result element."""
    at = np.arange(target)
    return at * source // target, -(-(at + 1) * source // target)


@lru_cache(maxsize=256)
def averaging_matrix(source: int, target: int, real: np.dtype) -> np.ndarray:
    """The matrix (target, source) that averages the range of each result element, read-only."""
    starts, stops = adaptive_bounds(source, target)
    places = np.arange(source)
    inside = (places >= starts[:, None]) & (places < stops[:, None])
    matrix = (inside / (stops - starts)[:, None]).astype(real)
    matrix.flags.writeable = False
    return matrix


@lru_cache(maxsize=64)
def adaptive_places(spatial: tuple[int, ...], sizes: tuple[int, ...]) -> np.ndarray:
    """Plane positions in each range of adaptive pooling: int64 (prod(sizes), longest range).

    Ranges are in row-major order; shorter ones repeat their last position. The array is read-only
    and shared.
    """
    flat = np.zeros((1, 1), np.int64)
    valid = np.ones((1, 1), bool)
    for source, target in zip(spatial, sizes):
        starts, stops = adaptive_bounds(source, target)
        steps = np.arange(int((stops - starts).max()))
        along = np.minimum(starts[:, None] + steps, stops[:, None] - 1)
        inside = starts[:, None] + steps < stops[:, None]
        rows, columns = flat.shape[0] * target, flat.shape[1] * steps.size
        flat = (flat[:, None, :, None] * source + along[None, :, None, :]).reshape(rows, columns)
        valid = (valid[:, None, :, None] & inside[None, :, None, :]).reshape(rows, columns)
    # Stable: the positions inside keep their order, those beyond the range go to the end.
    ranked = np.take_along_axis(flat, np.argsort(~valid, axis=1, kind="stable"), 1)
    last = valid.sum(1)[:, None] - 1
    places = np.take_along_axis(ranked, np.minimum(np.arange(ranked.shape[1]), last), 1)
    places.flags.writeable = False
    return places
