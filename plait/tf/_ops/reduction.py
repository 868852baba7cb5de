"""Reductions, cumulative sums, searches for extremes, and counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import plait
from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._convert import axes_of, convert, core_dtype, inner, one_axis, require, wrap
from plait.tf._dispatch import op
from plait.tf._dtypes import int64, string
from plait.tf._tensor import of_array


def _reduction(
    public: str, name: str, kinds: str, compute: Callable[..., Any], doc: str
) -> Callable[..., Any]:
    def reduce(input_tensor: Any, axis: Any = None, keepdims: bool = False) -> Any:
        value = require(name, input_tensor, kinds)
        axes = axes_of(axis, value.ndim, name)
        if axes is None:
            axes = tuple(range(value.ndim))
        if not axes:
            return wrap(value) if public not in _CHANGING else wrap(compute(value, (), False))
        return wrap(compute(value, axes, keepdims))

    reduce.__name__ = public
    reduce.__doc__ = doc
    return op(reduce)


#: Reductions that change a value even over no axes.
_CHANGING = {"reduce_euclidean_norm", "reduce_variance", "reduce_std", "reduce_logsumexp"}


def _sum(x: Any, axes: tuple[int, ...], keep: bool) -> Any:
    return plait.sum(x, dim=axes, keepdim=keep, dtype=x.dtype)


def _mean(x: Any, axes: tuple[int, ...], keep: bool) -> Any:
    if x.dtype.kind in "iu":
        count = int(np.prod([x.shape[a] for a in axes]))
        return plait.div(_sum(x, axes, keep), count, rounding_mode="trunc").to(x.dtype)
    return plait.mean(x, dim=axes, keepdim=keep)


def _prod(x: Any, axes: tuple[int, ...], keep: bool) -> Any:
    for axis in sorted(axes, reverse=True):
        x = plait.prod(x, dim=axis, keepdim=keep, dtype=x.dtype)
    return x


def _extreme(which: Callable[..., Any], least: bool) -> Callable[..., Any]:
    def extreme(x: Any, axes: tuple[int, ...], keep: bool) -> Any:
        if any(x.shape[a] == 0 for a in axes):
            limits = (
                (-np.inf, np.inf)
                if x.dtype.kind == "f"
                else (np.iinfo(x.dtype.numpy).min, np.iinfo(x.dtype.numpy).max)
            )
            shape = [1 if a in axes else e for a, e in enumerate(x.shape) if keep or a not in axes]
            return plait.full(shape, limits[least], dtype=x.dtype)
        return which(x, dim=axes, keepdim=keep)

    return extreme


def _variance(x: Any, axes: tuple[int, ...], keep: bool) -> Any:
    if not axes:
        return plait.zeros_like(x)
    mean = plait.mean(x, dim=axes, keepdim=True)
    deviation = x - mean
    return plait.mean(deviation * deviation, dim=axes, keepdim=keep)


def _std(x: Any, axes: tuple[int, ...], keep: bool) -> Any:
    return plait.sqrt(_variance(x, axes, keep))


def _euclidean(x: Any, axes: tuple[int, ...], keep: bool) -> Any:
    return plait.abs(x) if not axes else plait.sqrt(_sum(x * x, axes, keep))


def _logsumexp(x: Any, axes: tuple[int, ...], keep: bool) -> Any:
    return x if not axes else plait.logsumexp(x, dim=axes, keepdim=keep)


reduce_sum = _reduction("reduce_sum", "Sum", "iufc", _sum, "The sum over axes (all by default).")
reduce_mean = _reduction("reduce_mean", "Mean", "iufc", _mean, "The mean; of integers, cut off.")
reduce_prod = _reduction("reduce_prod", "Prod", "iufc", _prod, "The product over axes.")
reduce_max = _reduction("reduce_max", "Max", "iuf", _extreme(plait.amax, False), "The maximum.")
reduce_min = _reduction("reduce_min", "Min", "iuf", _extreme(plait.amin, True), "The minimum.")
reduce_variance = _reduction(
    "reduce_variance", "Variance", "f", _variance, "The variance, with divisor n."
)
reduce_std = _reduction("reduce_std", "Std", "f", _std, "The standard deviation, with divisor n.")
reduce_euclidean_norm = _reduction(
    "reduce_euclidean_norm", "EuclideanNorm", "f", _euclidean, "The 2-norm over axes."
)
reduce_logsumexp = _reduction(
    "reduce_logsumexp", "LogSumExp", "f", _logsumexp, "log(sum(exp(x))), without overflow."
)


def _fold(compute: Callable[..., Any]) -> Callable[..., Any]:
    def fold(x: Any, axes: tuple[int, ...], keep: bool) -> Any:
        for axis in sorted(axes, reverse=True):
            x = compute(x, dim=axis, keepdim=keep)
        return x

    return fold


reduce_all = _reduction("reduce_all", "All", "b", _fold(plait.all), "Whether all are True.")
reduce_any = _reduction("reduce_any", "Any", "b", _fold(plait.any), "Whether one is True.")


def _arg(public: str, compute: Callable[..., Any]) -> Callable[..., Any]:
    def find(input: Any, axis: Any = None, output_type: Any = int64, dimension: Any = None) -> Any:
        value = require(public, input, "biuf")
        where = dimension if axis is None else axis
        place = one_axis(0 if where is None else where, value.ndim, public)
        if value.shape[place] == 0:
            raise error(
                errors.InvalidArgumentError,
                f"Reduction axis {place} is empty in shape {list(value.shape)} [Op:{public}]",
            )
        if value.dtype.kind == "b":
            value = value.to(plait.uint8)
        return wrap(compute(value, dim=place).to(core_dtype(output_type)))

    find.__name__ = public
    find.__doc__ = f"The position of the {public[3:]}imum along an axis (0 by default), the first."
    return op(find)


argmax = _arg("argmax", plait.argmax)
argmin = _arg("argmin", plait.argmin)


def _cumulative(public: str, compute: Callable[..., Any], start: float) -> Callable[..., Any]:
    def cumulative(x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False) -> Any:
        value = require(public, x, "iufc")
        place = one_axis(axis, value.ndim, public)
        if reverse:
            value = plait.flip(value, (place,))
        made = compute(value, dim=place).to(value.dtype)
        if exclusive and value.shape[place]:
            first = plait.full_like(value.narrow(place, 0, 1), start)
            made = plait.cat((first, made.narrow(place, 0, value.shape[place] - 1)), dim=place)
        return wrap(plait.flip(made, (place,)) if reverse else made)

    cumulative.__name__ = public
    cumulative.__doc__ = f"{public} along an axis; exclusive leaves each element itself out."
    return op(cumulative)


cumsum = _cumulative("cumsum", plait.cumsum, 0)
cumprod = _cumulative("cumprod", plait.cumprod, 1)
cumulative_logsumexp = _cumulative("cumulative_logsumexp", plait.logcumsumexp, -float("inf"))


@op
def count_nonzero(input: Any, axis: Any = None, keepdims: bool = False, dtype: Any = int64) -> Any:
    """How many are not 0 (not empty, for strings)."""
    tensor = convert(input)
    if tensor.dtype is string:
        flags = of_array(np.array(tensor._array() != b"", np.int64)).inner()
    else:
        flags = (tensor.inner() != 0).to(plait.int64)
    axes = axes_of(axis, flags.ndim, "Sum")
    axes = tuple(range(flags.ndim)) if axes is None else axes
    return wrap((_sum(flags, axes, keepdims) if axes else flags).to(core_dtype(dtype)))


@op
def bincount(
    arr: Any,
    weights: Any = None,
    minlength: Any = None,
    maxlength: Any = None,
    dtype: Any = None,
    axis: Any = None,
    binary_output: bool = False,
) -> Any:
    """How often each integer occurs, or the sum of its weights; with axis=-1, in each row.

    binary_output: 1 for each that occurs. Raises InvalidArgumentError for negative numbers.
    """
    if axis not in (None, 0, -1):
        from plait._unbuilt import not_built

        raise not_built(f"tf.math.bincount with axis={axis}")
    values = convert(arr)._array()
    w = None if weights is None else convert(weights)._array().reshape(-1)
    bounds = (minlength, maxlength)
    if axis == -1 and values.ndim == 2:
        rows = np.arange(len(values)).repeat(values.shape[1])
        return counted(values.reshape(-1), rows, len(values), w, bounds, dtype, binary_output)
    rows = np.zeros(values.size, np.int64)
    made = counted(values.reshape(-1), rows, 1, w, bounds, dtype, binary_output)
    return of_array(made._array()[0])


def counted(
    values: np.ndarray,
    rows: np.ndarray,
    count: int,
    weights: np.ndarray | None,
    bounds: tuple[Any, Any],
    dtype: Any,
    binary: bool,
) -> Any:
    """How often each of `values` occurs in the row it is of: (count, how many numbers there are).

    bounds: how many numbers there are at least, and at most.
    """
    if values.size and values.min() < 0:
        raise error(errors.InvalidArgumentError, "Input arr must be non-negative! [Op:Bincount]")
    least, most = bounds
    length = max(int(values.max()) + 1 if values.size else 0, int(least or 0))
    if most is not None:
        length = min(length, int(most))
    kept = values < length
    places = rows[kept] * length + values[kept]
    amounts = None if weights is None or binary else weights[kept]
    counts = np.bincount(places, amounts, count * length).reshape(count, length)
    if binary:
        counts = np.minimum(counts, 1)
    kind = np.dtype(np.int32 if dtype is None else core_dtype(dtype).numpy)
    return of_array(counts.astype(kind if weights is None else weights.dtype))


@op
def confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: Any = None,
    weights: Any = None,
    dtype: Any = "int32",
) -> Any:
    """Counts of (label, prediction) pairs, labels in rows."""
    rows, columns = (
        convert(v)._array().astype(np.int64).reshape(-1) for v in (labels, predictions)
    )
    if rows.size and min(rows.min(), columns.min()) < 0:
        raise error(errors.InvalidArgumentError, "labels and predictions must be non-negative")
    most = int(max(rows.max(initial=-1), columns.max(initial=-1))) + 1
    size = most if num_classes is None else int(num_classes)
    if most > size:
        raise error(
            errors.InvalidArgumentError,
            f"a label or prediction is out of bound: {most - 1} >= {size}",
        )
    counts = np.zeros((size, size), core_dtype(dtype).numpy)
    amounts = 1 if weights is None else convert(weights)._array().reshape(-1)
    np.add.at(counts, (rows, columns), amounts)
    return of_array(counts)


@op
def zero_fraction(value: Any) -> Any:
    """The share of elements that are 0, float32."""
    return wrap((inner(value) == 0).to(plait.float32).mean())


@op
def norm(
    tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: bool | None = None
) -> Any:
    """The norm of vectors (one axis, or all elements), or of matrices (two axes)."""
    value = require("Norm", tensor, "f")
    keep = bool(keepdims)
    axes = axes_of(axis, value.ndim, "Norm")
    every = tuple(range(value.ndim)) if axes is None else axes
    if ord in ("euclidean", "fro") or (ord == 2 and len(every) != 2):
        return wrap(_euclidean(value, every, keep))
    if axes is not None and len(axes) == 2:
        return wrap(plait.linalg.matrix_norm(value, ord, axes, keep))
    if axes is None:
        made = plait.linalg.vector_norm(value.reshape(-1), ord)
        return wrap(made.reshape((1,) * value.ndim) if keep else made)
    return wrap(plait.linalg.vector_norm(value, ord, axes, keep))
