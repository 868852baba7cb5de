"""Sorting, and what follows from order: top k, medians, quantiles, the mode."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait import return_types
from plait._autocast import in_full
from plait._functions import pointwise as pw
from plait._functions.common import public
from plait._functions.creation import full, zeros
from plait._functions.joining import cat
from plait._functions.reduction import dropped, folded
from plait._tensor import Tensor
from plait.core.functional.axes import normal_axis
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.lazy.cell import leaf_of
from plait.core.ops import elementwise as prim
from plait.core.ops import reduce as red
from plait.core.ops.index import GATHER
from plait.core.ops.scan import CUMMAX
from plait.core.ops.sort import SORT, TOPK
from plait.core.ops.source import ARANGE
from plait.core.ops.view import broadcast, reshape, slice_axis


def _ordered(input: Tensor, axis: int, descending: bool = False) -> tuple[Tensor, Tensor]:
    return SORT(input, axis=axis, descending=descending, stable=True)


def _scalar(input: Tensor) -> tuple[Tensor, Tensor]:
    """Of a 0-d tensor every order statistic is itself, at place 0."""
    return input.clone(), zeros((), dtype=dtypes.int64)


def _sort(input: Tensor, dim: int, descending: bool) -> Any:
    axis = normal_axis(dim, input.ndim, "sort")
    found = _ordered(input, axis, descending) if input._shape else _scalar(input)
    return return_types.sort(found)


@public
def sort(input: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Values in order along an axis, and the places they had; always stable, nan is largest.

    sort(input, dim=-1, descending=False), and with `stable=` by keyword.
    """
    if args and isinstance(args[0], bool):
        args = (kwargs.pop("dim", -1), *args)
    kwargs.pop("stable", None)
    return _sort_arguments(input, *args, **kwargs)


def _sort_arguments(input: Tensor, dim: int = -1, descending: bool = False) -> Any:
    return _sort(input, dim, descending)


@public
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The places of the values in order."""
    return _sort(input, dim, descending)[1]


@public
def msort(input: Tensor) -> Tensor:
    """The values in order along the first axis."""
    return _sort(input, 0, False)[0]


@public
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The k largest (smallest) values along an axis in order, and their places.

    Raises RuntimeError where the axis has fewer than k elements.
    """
    axis = normal_axis(dim, input.ndim, "topk")
    k = int(k)
    extent = input._shape[axis] if input._shape else 1
    if not 0 <= k <= extent:
        raise error(
            RuntimeError,
            f"selected index k out of range in topk: k is {k}, dimension {axis} of shape "
            f"{list(input.shape)} has size {extent}",
        )
    if not input._shape:
        return return_types.topk(_scalar(input))
    return return_types.topk(TOPK(input, k=k, axis=axis, largest=largest))


def _kept(parts: Any, axis: int, keepdim: bool) -> Any:
    return parts if keepdim else [dropped(part, (axis,)) for part in parts]


@public
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The k-th smallest value along an axis (from 1), and its place."""
    axis = normal_axis(dim, input.ndim, "kthvalue")
    extent = input._shape[axis] if input._shape else 1
    if not 1 <= k <= extent:
        raise error(
            RuntimeError,
            f"kthvalue(): selected number k out of range for dimension {axis}: k is {k}, the size "
            f"{extent}",
        )
    if not input._shape:
        return return_types.kthvalue(_scalar(input))
    parts = [slice_axis(x, axis, k - 1, k) for x in _ordered(input, axis)]
    return return_types.kthvalue(_kept(parts, axis, keepdim))


# -- median -----------------------------------------------------------------------------------


def _middle(input: Tensor, axis: int, skip_nan: bool) -> tuple[Any, Any]:
    """The lower median along an axis and its place; the axis stays with extent 1.

    A nan is the median, at the first nan's place, unless `skip_nan` leaves them out.
    """
    values, places = _ordered(input, axis)
    middle = (input._shape[axis] - 1) // 2
    if input.dtype.kind != "f":
        return slice_axis(values, axis, middle, middle + 1), slice_axis(
            places, axis, middle, middle + 1
        )
    size = input._shape[axis]
    numbers = pw.logical_not(pw.isnan(input))
    count = red.SUM(prim.cast(numbers, dtypes.int64), axes=(axis,))
    if skip_nan:
        at = pw.clamp(pw.floor_divide(pw.sub(count, 1), 2), min=0)
    else:
        at = pw.where(pw.eq(count, size), middle, count)
    return GATHER(values, at, axis=axis), GATHER(places, at, axis=axis)


def _whole_median(input: Tensor, skip_nan: bool) -> Tensor:
    """The median of all elements; equal elements share the gradient, as in PyTorch."""
    if not input.numel():
        return full((), math.nan, dtype=input.dtype)
    flat = reshape(input, (input.numel(),))
    found = broadcast(_middle(flat.detach(), 0, skip_nan)[0], flat._shape)
    if input.dtype.kind != "f":
        return reshape(slice_axis(found, 0, 0, 1), ())
    same = pw.eq(flat, found)
    if not input.requires_grad:
        return reshape(slice_axis(found, 0, 0, 1), ())
    chosen = pw.where(pw.logical_or(same, pw.isnan(found)), flat, -math.inf)
    return folded(red.MAX_EVENLY, chosen, (0,), False)


def _median(name: str, skip_nan: bool, kind: Any) -> Any:
    def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
        axis = 0 if dim is None else normal_axis(dim, input.ndim, name)
        if input.dtype.kind == "b":
            raise error(RuntimeError, f"{name}: not implemented for bool tensors")
        if dim is None:
            return _whole_median(input, skip_nan)
        if not input._shape:
            return kind(_scalar(input))
        if input._shape[axis] == 0:
            raise error(
                IndexError,
                f"{name}(): Expected reduction dim {axis} to have non-zero size. (shape "
                f"{list(input.shape)})",
            )
        return kind(_kept(_middle(input, axis, skip_nan), axis, keepdim))

    median.__name__ = name
    median.__doc__ = "The lower median of all elements, or along an axis with its place" + (
        "; nan are left out." if skip_nan else "; nan wins."
    )
    return public(median)


median = _median("median", False, return_types.median)
nanmedian = _median("nanmedian", True, return_types.nanmedian)


# -- mode -------------------------------------------------------------------------------------


@public
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent value along an axis (the smallest of several), and its last place."""
    axis = normal_axis(dim, input.ndim, "mode")
    if not input._shape:
        return return_types.mode(_scalar(input))
    size = input._shape[axis]
    if size == 0:
        raise error(
            IndexError,
            f"mode(): Expected reduction dim {axis} to have non-zero size. (shape "
            f"{list(input.shape)})",
        )
    values, places = _ordered(input, axis)
    line = tuple([size if i == axis else 1 for i in range(input.ndim)])
    count = ARANGE(start=0, step=1, size=size, dtype=dtypes.int64)
    position = Tensor.of_node(broadcast(reshape(count, line), input._shape))
    # How far each place lies into its run of equal values; the first longest run wins.
    moves = pw.ne(slice_axis(values, axis, 1, size), slice_axis(values, axis, 0, size - 1))
    later = pw.where(moves, slice_axis(position, axis, 1, size), 0)
    starts, _ = CUMMAX(cat([slice_axis(position, axis, 0, 1), later], axis), axis=axis)
    longest = red.ARGMAX(pw.sub(position, starts), axis=axis)
    parts = (GATHER(values, longest, axis=axis), GATHER(places, longest, axis=axis))
    return return_types.mode(_kept(parts, axis, keepdim))


# -- quantiles --------------------------------------------------------------------------------

_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(
    name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, how: str, skip_nan: bool
) -> Tensor:
    points = _points(name, input, q, how)
    whole = dim is None
    axis = 0 if dim is None else normal_axis(dim, input.ndim, name)
    value = reshape(input, (input.numel(),)) if whole or not input._shape else input
    if not value._shape[axis]:
        raise error(RuntimeError, f"{name}() input tensor must be non-empty")
    values, _ = _ordered(value, axis)
    rank = value.ndim
    # (points, *shape with extent 1 on the axis)
    spread = (points.size, *[n if i != axis else 1 for i, n in enumerate(value._shape)])
    numbers = red.SUM(prim.cast(pw.logical_not(pw.isnan(value)), dtypes.int64), axes=(axis,))
    last = pw.clamp(pw.sub(numbers, 1), min=0)
    fractions = (
        q if isinstance(q, Tensor) else Tensor.of_node(leaf_of(points.astype(input.dtype.numpy)))
    )
    fractions = broadcast(reshape(fractions, (points.size, *(1,) * rank)), spread)
    at = pw.mul(fractions, prim.cast(last, input.dtype))
    if not skip_nan:
        at = pw.where(pw.lt(numbers, value._shape[axis]), float(value._shape[axis] - 1), at)
    lines = broadcast(values, (points.size, *value._shape))
    result = _interpolated(lines, at, axis + 1, how)
    return _quantile_shape(result, input, q, axis, whole, keepdim)


def _points(name: str, input: Tensor, q: Any, how: str) -> np.ndarray:
    """The fractions as a 1-D array; all arguments checked."""
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise error(
            RuntimeError,
            f"{name}() input tensor must be either float or double dtype, received {input.dtype}",
        )
    if how not in _INTERPOLATIONS:
        raise error(
            RuntimeError,
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {how}",
        )
    if isinstance(q, Tensor):
        if q.ndim > 1:
            raise error(RuntimeError, f"{name}() q must be a scalar or 1D tensor")
        if q.dtype is not input.dtype:
            raise error(RuntimeError, f"{name}() q tensor must be same dtype as the input tensor")
    points = np.atleast_1d(q.compute() if isinstance(q, Tensor) else np.asarray(q, np.float64))
    if not np.all((points >= 0) & (points <= 1)):
        shown = q if not isinstance(q, Tensor) else "values outside"
        raise error(RuntimeError, f"{name}() q must be in the range [0, 1] but got {shown}")
    return points


def _interpolated(lines: Any, at: Any, axis: int, how: str) -> Any:
    """The values at fractional places `at` of sorted lines."""
    below, above = pw.floor(at), pw.ceil(at)
    if how == "lower":
        above = below
    elif how == "higher":
        below = above
    elif how == "nearest":
        below = above = pw.round(at)
    low = GATHER(lines, prim.cast(below, dtypes.int64), axis=axis)
    if below is above:
        return low
    high = GATHER(lines, prim.cast(above, dtypes.int64), axis=axis)
    weight = 0.5 if how == "midpoint" else pw.sub(at, below)
    return pw.lerp(low, high, weight)


def _quantile_shape(
    result: Any, input: Tensor, q: Any, axis: int, whole: bool, keepdim: bool
) -> Tensor:
    if whole:
        rest = (1,) * input.ndim if keepdim else ()
    elif keepdim or not input._shape:
        rest = tuple([1 if i == axis else n for i, n in enumerate(input._shape)])
    else:
        rest = tuple([n for i, n in enumerate(input._shape) if i != axis])
    several = isinstance(q, Tensor) and q.ndim == 1
    return reshape(result, (result.shape[0], *rest) if several else rest)


@public
def quantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The q-th quantiles of all elements or along an axis; a 1-D q gives a leading axis.

    input: float32 or float64; q in [0, 1]. A line with a nan gives nan.
    """
    return _quantile("quantile", in_full(input), q, dim, keepdim, interpolation, False)


@public
def nanquantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """Like `quantile`, of the elements that are not nan."""
    return _quantile("nanquantile", in_full(input), q, dim, keepdim, interpolation, True)
