"""Distinct values, places in sorted sequences, counts by value."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait._functions import pointwise as pw
from plait._functions.common import operand, public, tensor_argument
from plait._functions.creation import as_tensor, owned, zeros
from plait._promotion import result_type
from plait._tensor import Tensor
from plait.core.functional import search
from plait.core.functional.axes import normal_axis
from plait.core.functional.broadcasting import Number
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.ops.elementwise import CAST, cast
from plait.core.ops.index import ADD_AT, GATHER, TAKE
from plait.core.ops.sort import SORT
from plait.core.ops.source import full
from plait.core.ops.view import reshape


def _values_of(input: Tensor) -> np.ndarray:
    """The values as NumPy orders them: 16-bit floats widened."""
    array = input.compute()
    return array.astype(np.float32) if input.dtype.is_half else array


def _results(input: Tensor, values: np.ndarray, inverse: Any, counts: Any) -> Any:
    """One tensor, or a tuple of those that were asked for."""
    made = [owned(np.ascontiguousarray(values).astype(input.dtype.numpy))]
    made += [owned(np.asarray(x, np.int64)) for x in (inverse, counts) if x is not None]
    return made[0] if len(made) == 1 else tuple(made)


@public
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct values in rising order (along `dim`: the distinct slices).

    With return_inverse also where each element's value is, with return_counts how often each
    occurs. How many there are depends on the values, which are computed at once.
    """
    array = _values_of(input)
    axis = None if dim is None else normal_axis(dim, input.ndim, "unique")
    values, inverse, counts = np.unique(
        array, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    shape = input._shape if axis is None else (input._shape[axis],)
    places = inverse.reshape(shape) if return_inverse else None
    return _results(input, values, places, counts if return_counts else None)


@public
def unique_consecutive(
    input: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The values without repetitions of the one before (along `dim`: slices)."""
    array = _values_of(input)
    if dim is None:
        lines = array.reshape(-1)
        axis, shape = 0, input._shape
    else:
        axis = normal_axis(dim, input.ndim, "unique_consecutive")
        lines, shape = array, (input._shape[axis],)
    moved = np.moveaxis(lines, axis, 0)
    count = len(moved)
    flat = moved.reshape(count, math.prod(moved.shape[1:]))
    starts = np.ones(count, bool)
    starts[1:] = (flat[1:] != flat[:-1]).any(axis=1)
    inverse = (np.cumsum(starts) - 1).reshape(shape) if return_inverse else None
    counts = np.diff(np.flatnonzero(starts), append=count) if return_counts else None
    return _results(input, np.moveaxis(moved[starts], 0, axis), inverse, counts)


# -- sorted sequences -------------------------------------------------------------------------


@public(method=False)
def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where each value of `input` would be inserted to keep the sequence sorted.

    sorted_sequence: 1-D, or its leading axes equal those of `input`; sorter: the order that sorts
    it. side "left" (before equal values) or "right" (as `right`). int64, or int32 with out_int32.
    """
    tensor_argument("searchsorted", "sorted_sequence", sorted_sequence)
    if side is not None and side not in ("left", "right"):
        raise error(
            RuntimeError,
            f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}",
        )
    if side == "left" and right:
        raise error(
            RuntimeError,
            "torch.searchsorted(): side and right can't be set to opposites, got side of left "
            "while right was True",
        )
    value = operand("searchsorted", "input", input)
    if isinstance(value, Number):
        value = as_tensor(value)
    rank = sorted_sequence.ndim
    if rank != 1 and (value.ndim != rank or value._shape[:-1] != sorted_sequence._shape[:-1]):
        raise error(
            RuntimeError,
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
            "dimensions of boundaries tensor and input value tensor must match, but we got "
            f"boundaries tensor {list(sorted_sequence.shape)} and input value tensor "
            f"{list(value.shape)}",
        )
    line = sorted_sequence if sorter is None else GATHER(sorted_sequence, sorter, axis=rank - 1)
    dtype = result_type(line, value)
    wanted = dtypes.int32 if out_int32 else dtypes.int64
    if not line._shape[-1]:
        return zeros(value._shape, dtype=wanted)
    found = search.searchsorted(cast(line, dtype), cast(value, dtype), right or side == "right")
    return cast(found, wanted)


@public(method=False)
def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """The number of the bucket between sorted 1-D boundaries that each value falls in."""
    tensor_argument("bucketize", "boundaries", boundaries)
    if boundaries.ndim != 1:
        raise error(
            RuntimeError,
            f"bucketize(): boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})",
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@public(method=False)
def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Whether each element is among the test elements."""
    value, tests = operand("isin", "elements", elements), operand("isin", "tests", test_elements)
    value = as_tensor(value) if isinstance(value, Number) else value
    tests = as_tensor(tests) if isinstance(tests, Number) else tests
    dtype = result_type(value, tests)
    if not tests.numel():
        found: Any = pw.ne(value, value)
        found = found if dtype.kind != "f" else pw.bitwise_and(found, False)
    else:
        line, _ = SORT(
            cast(reshape(tests, (tests.numel(),)), dtype), axis=0, descending=False, stable=True
        )
        value = cast(value, dtype)
        place = search.first_equal(line, value)
        inside = pw.clamp(place, max=tests.numel() - 1)
        found = pw.eq(TAKE(line, inside, axis=0), value)
    return pw.logical_not(found) if invert else found


# -- counts -----------------------------------------------------------------------------------


@public
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each number 0, 1, ... occurs, or the sum of its weights.

    The length depends on the largest value, which is computed at once. Raises RuntimeError for
    negative values.
    """
    if input.dtype.kind not in "iu":
        raise error(
            NotImplementedError,
            f'"bincount_cpu" not implemented for {input.dtype}: expected an integer tensor',
        )
    if minlength < 0:
        raise error(RuntimeError, f"minlength should be >= 0, received {minlength}")
    array = input.compute()
    if input.ndim != 1 or (array.size and array.min() < 0):
        least = f", smallest {array.min()}" if array.size else ""
        raise error(
            RuntimeError,
            "bincount only supports 1-d non-negative integral inputs. (received shape "
            f"{list(input._shape)}{least})",
        )
    if weights is not None and weights._shape != input._shape:
        raise error(
            RuntimeError,
            "weights should be 1-d and have the same length as input, received shapes "
            f"{list(weights.shape)} and {list(input.shape)}",
        )
    size = max(minlength, int(array.max()) + 1 if array.size else 0)
    if weights is None:
        return owned(np.bincount(array, minlength=size))
    dtype = weights.dtype if weights.dtype is dtypes.float32 else dtypes.float64
    base = full(0.0, (size,), dtype)
    return ADD_AT(base, CAST(input.detach(), dtype=dtypes.int64), cast(weights, dtype), axis=0)


@public
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """Counts of the elements in equal bins between min and max (the extremes where both are equal).

    Elements outside are not counted; max itself belongs to the last bin.
    """
    if input.dtype.kind != "f":
        raise error(
            NotImplementedError,
            f'"histogram_cpu" not implemented for {input.dtype}: expected a floating tensor',
        )
    if bins <= 0:
        raise error(RuntimeError, f"bins must be > 0, but got {bins}")
    if min > max:
        raise error(RuntimeError, f"torch.histc: max must be larger than min, got {min} and {max}")
    line = _values_of(input).reshape(-1)
    low, high = float(min), float(max)
    if low == high and line.size:
        low, high = float(line.min()), float(line.max())
    if low == high:
        low, high = low - 1, high + 1
    if not (np.isfinite(low) and np.isfinite(high)):
        raise error(RuntimeError, f"torch.histc: range of [{low}, {high}] is not finite")
    edges = np.linspace(low, high, bins + 1, dtype=line.dtype)
    kept = line[(line >= edges[0]) & (line <= edges[-1])]
    places = np.minimum(np.searchsorted(edges, kept, side="right") - 1, bins - 1)
    return owned(np.bincount(places, minlength=bins).astype(input.dtype.numpy))
