"""Resizing spatial axes: interpolation and adaptive pooling, built of primitive ops.

x is (N, C, *spatial) throughout, with 1 to 3 spatial axes. Linear and cubic interpolation, and
averages over uneven ranges, contract each axis with a constant matrix: a non-finite element makes
its whole row along that axis nan. Nearest neighbours are only moved, for any dtype.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.op import elements, leaf
from plait.core.ops.contract import DOT_GENERAL
from plait.core.ops.elementwise import cast
from plait.core.ops.numeric import resize as numeric
from plait.core.ops.reduce import MEAN
from plait.core.ops.view import broadcast, reshape, transpose
from plait.core.ops.window import MAX_POOL, POOL_GATHER

Ints = tuple[int, ...]

NEAREST = ("nearest", "nearest-exact")
#: The interpolating modes, with the number of spatial axes each takes and its kind along an axis.
WEIGHTED = {
    "linear": (1, "linear"),
    "bilinear": (2, "linear"),
    "trilinear": (3, "linear"),
    "bicubic": (2, "cubic"),
}


def _require_planes(name: str, x: Any, sizes: Ints) -> None:
    if len(x.shape) != len(sizes) + 2 or not 1 <= len(sizes) <= 3:
        raise ShapeError(
            f"{name}: expected an input (N, C, *spatial) with one size per spatial axis, received "
            f"shape {list(x.shape)} and sizes {sizes}"
        )
    if any(n < 1 for n in (*x.shape[2:], *sizes)):
        raise ShapeError(
            f"{name}: input and result extents must be positive, received shape {list(x.shape)} "
            f"and sizes {sizes}"
        )


def _require_floats(name: str, x: Any) -> None:
    if x.dtype.kind != "f":
        raise DTypeError(f"{name}: expected a floating point input, received {x.dtype.name}")


def resize(
    x: Any,
    sizes: Ints,
    mode: str,
    align_corners: bool = False,
    scales: tuple[float | None, ...] | None = None,
    antialias: bool = False,
) -> Any:
    """x (N, C, *spatial) resized to (N, C, *sizes), as PyTorch's `interpolate`.

    mode: "nearest", "nearest-exact", "linear" (1 axis), "bilinear", "bicubic" (2), "trilinear" (3)
        or "area". align_corners: the corner elements keep their places (linear and cubic modes).
    scales: the scale factors the user gave, which place the elements then; None: by the extents.
    antialias: widen the filter when shrinking ("bilinear" and "bicubic").
    Raises ShapeError, DTypeError; ValueError for an unknown mode.
    """
    _require_planes("interpolate", x, sizes)
    factors = scales or (None,) * len(sizes)
    if mode == "area":
        return adaptive_avg_pool(x, sizes)
    if mode in NEAREST:
        return _nearest(x, sizes, mode, factors)
    if mode not in WEIGHTED:
        known = ", ".join([*NEAREST, *WEIGHTED, "area"])
        raise ValueError(f"interpolate: unknown mode {mode!r}; expected one of: {known}")
    rank, kind = WEIGHTED[mode]
    if rank != len(sizes):
        raise ShapeError(
            f"interpolate: mode {mode!r} takes an input with {rank + 2} axes, received shape "
            f"{list(x.shape)}"
        )
    _require_floats(f"interpolate ({mode})", x)
    wide, real = _compute_type(x)
    y = cast(x, wide)
    for i, (source, target, scale) in enumerate(zip(x.shape[2:], sizes, factors)):
        weigh = numeric.smoothing_matrix if antialias else numeric.resize_matrix
        matrix = weigh(source, target, kind, align_corners, scale, real)
        y = _contract_axis(y, 2 + i, matrix)
    return cast(y, x.dtype)


def _compute_type(x: Any) -> tuple[Any, np.dtype]:
    """What interpolation computes in: 16-bit floats are rounded once, at the end."""
    wide = dtypes.float64 if x.dtype is dtypes.float64 else dtypes.float32
    return wide, wide.numpy


def _constant(array: np.ndarray) -> Any:
    return leaf(array, array.shape, dtypes.dtype_of(array.dtype))


def _contract_axis(x: Any, axis: int, matrix: np.ndarray) -> Any:
    """Each line of x along `axis` multiplied by a matrix (target, source)."""
    source, target = matrix.shape[1], matrix.shape[0]
    if source == target and np.array_equal(matrix, np.eye(source)):
        return x
    y = DOT_GENERAL(x, _constant(matrix), contract=((axis,), (1,)), batch=((), ()))
    rest = len(x.shape) - 1  # the new axis comes last
    return transpose(y, (*range(axis), rest, *range(axis, rest)))


def _nearest(x: Any, sizes: Ints, mode: str, scales: tuple[float | None, ...]) -> Any:
    real = _compute_type(x)[1]
    spatial = x.shape[2:]
    chosen = [
        numeric.nearest_indices(source, target, mode, scale, real)
        for source, target, scale in zip(spatial, sizes, scales)
    ]
    if all(
        np.array_equal(index, np.arange(target) * source // target) and target % source == 0
        for index, source, target in zip(chosen, spatial, sizes)
    ):
        return _repeat(x, sizes)
    plane = np.zeros((), np.int64)
    for index, source in zip(chosen, spatial):
        plane = plane[..., None] * source + index
    places = broadcast(_constant(plane), (*x.shape[:2], *sizes))
    return POOL_GATHER(x, places, rank=len(sizes))


def _repeat(x: Any, sizes: Ints) -> Any:
    """Each element repeated a whole number of times along each axis."""
    if x.shape[2:] == sizes:
        return x
    apart, stretched = list(x.shape[:2]), list(x.shape[:2])
    for source, target in zip(x.shape[2:], sizes):
        apart += [source, 1]
        stretched += [source, target // source]
    y = broadcast(reshape(x, tuple(apart)), tuple(stretched))
    return reshape(y, (*x.shape[:2], *sizes))


def adaptive_avg_pool(x: Any, sizes: Ints) -> Any:
    """The averages of x (N, C, *spatial) over ranges that divide each axis in `sizes` parts.

    Part i of n elements in m parts is the range from floor(i n / m) to ceil((i + 1) n / m), as in
    PyTorch. Raises ShapeError, DTypeError.
    """
    _require_planes("adaptive_avg_pool", x, sizes)
    _require_floats("adaptive_avg_pool", x)
    if all(source % target == 0 for source, target in zip(x.shape[2:], sizes)):
        apart = list(x.shape[:2])
        for source, target in zip(x.shape[2:], sizes):
            apart += [target, source // target]
        folded = tuple(range(3, len(apart), 2))
        return reshape(MEAN(reshape(x, tuple(apart)), axes=folded), (*x.shape[:2], *sizes))
    wide, real = _compute_type(x)
    y = cast(x, wide)
    for i, (source, target) in enumerate(zip(x.shape[2:], sizes)):
        y = _contract_axis(y, 2 + i, numeric.averaging_matrix(source, target, real))
    return cast(y, x.dtype)


def adaptive_max_pool(x: Any, sizes: Ints) -> tuple[Any, Any]:
    """The maxima of x (N, C, *spatial) over the ranges of `adaptive_avg_pool`.

    Gives (maxima, int64 positions in the flattened plane), both (N, C, *sizes). Raises ShapeError.
    """
    _require_planes("adaptive_max_pool", x, sizes)
    spatial = x.shape[2:]
    rank = len(sizes)
    if all(source % target == 0 for source, target in zip(spatial, sizes)):
        window = tuple([source // target for source, target in zip(spatial, sizes)])
        none, one = ((0, 0),) * rank, (1,) * rank
        return MAX_POOL(x, window=window, strides=window, padding=none, dilation=one)
    places = numeric.adaptive_places(spatial, sizes)  # (P, T): T positions for each of P results
    lead = x.shape[:2]
    parts, taken = places.shape
    spread = broadcast(_constant(places.reshape(-1)), (*lead, parts * taken))
    ranges = POOL_GATHER(reshape(x, (*lead, elements(spatial))), spread, rank=1)
    values, indices = MAX_POOL(
        ranges, window=(taken,), strides=(taken,), padding=((0, 0),), dilation=(1,)
    )
    positions = POOL_GATHER(spread, indices, rank=1)
    return reshape(values, (*lead, *sizes)), reshape(positions, (*lead, *sizes))
