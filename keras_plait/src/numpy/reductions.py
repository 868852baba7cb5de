"""Reductions over axes, cumulative functions, statistics."""

from __future__ import annotations

from typing import Any

from keras.src.backend.common.dtypes import result_type
from keras.src.backend.config import floatx

import plait as torch
from keras_plait.src.core import convert_to_tensor, to_plait_dtype
from keras_plait.src.operands import as_float, axes_of, name_of


def _over(function: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """`function(x, axes, keepdims)`, and x itself where there is no axis to reduce."""
    axes = axes_of(axis, x.ndim)
    return function(x, axes, keepdims) if axes else x


def _sum_dtype(x: Any) -> Any:
    """Small integers are added up as 32-bit ones."""
    name = name_of(x)
    if name in ("bool", "int8", "int16"):
        return torch.int32
    return torch.uint32 if name in ("uint8", "uint16") else x.dtype


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = convert_to_tensor(x)
    x = x.to(_sum_dtype(x))
    return _over(lambda x, a, k: torch.sum(x, a, k, dtype=x.dtype), x, axis, keepdims)


def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    x = convert_to_tensor(x)
    x = x.to(to_plait_dtype(dtype) if dtype is not None else _sum_dtype(x))

    def product(x: Any, axes: Any, keepdims: bool) -> Any:
        for axis in sorted(axes, reverse=True):
            x = torch.prod(x, axis, keepdims, dtype=x.dtype)
        return x

    return _over(product, x, axis, keepdims)


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = as_float(x)
    if name_of(x) in ("float16", "bfloat16"):  # not to overflow on the way
        return mean(x.to(torch.float32), axis, keepdims).to(x.dtype)
    return _over(torch.mean, x, axis, keepdims)


def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = convert_to_tensor(x)
    result = result_type(name_of(x), float)
    computed = x.to(to_plait_dtype(result_type(name_of(x), "float32")))
    axes = axes_of(axis, x.ndim)
    if axes:
        made = torch.var(computed, axes, correction=0, keepdim=keepdims)
    else:
        made = computed - computed  # of a single element: 0, or NaN
    return made.to(to_plait_dtype(result))


def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = as_float(x)
    return torch.sqrt(var(x, axis, keepdims)).to(x.dtype)


def max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    return _extreme(torch.amax, torch.maximum, x, axis, keepdims, initial)


def min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    return _extreme(torch.amin, torch.minimum, x, axis, keepdims, initial)


def amax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return max(x, axis, keepdims)


def amin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return min(x, axis, keepdims)


def _extreme(reduce: Any, pick: Any, x: Any, axis: Any, keepdims: bool, initial: Any) -> Any:
    x = convert_to_tensor(x)
    axes = axes_of(axis, x.ndim)
    if initial is None:
        return reduce(x, axes, keepdims) if axes else x
    start = convert_to_tensor(initial).to(x.dtype)
    if 0 in x.shape:
        extents = [1 if a in axes else e for a, e in enumerate(x.shape)]
        made = start.expand(extents)
        return (
            made if keepdims else made.reshape([e for a, e in enumerate(extents) if a not in axes])
        )
    return pick(reduce(x, axes, keepdims) if axes else x, start)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = convert_to_tensor(x).to(torch.bool)
    return _over(torch.all, x, axis, keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = convert_to_tensor(x).to(torch.bool)
    return _over(torch.any, x, axis, keepdims)


def count_nonzero(x: Any, axis: Any = None) -> Any:
    x = convert_to_tensor(x) != 0
    return _over(lambda x, a, k: torch.sum(x, a), x.to(torch.int32), axis, False).to(torch.int32)


def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _place(torch.argmax, x, axis, keepdims)


def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _place(torch.argmin, x, axis, keepdims)


def _place(function: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    x = convert_to_tensor(x)
    if x.dtype is torch.bool:
        x = x.to(torch.uint8)
    if x.ndim == 0:
        return torch.zeros((), dtype=torch.int32)
    found = function(x, axis, keepdim=keepdims and axis is not None).to(torch.int32)
    return found.reshape([1] * x.ndim) if keepdims and axis is None else found


def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return max(x, axis, keepdims) - min(x, axis, keepdims)


def average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    x = convert_to_tensor(x)
    if weights is None:
        return mean(as_float(x), axis)
    weights = convert_to_tensor(weights)
    dtype = to_plait_dtype(result_type(name_of(x), name_of(weights), float))
    x, weights = x.to(dtype), weights.to(dtype)
    axes = axes_of(axis, x.ndim)
    if weights.shape != x.shape and len(axes) == 1:
        weights = weights.reshape([-1 if a == axes[0] else 1 for a in range(x.ndim)])
        weights = weights.expand(x.shape)
    return torch.sum(x * weights, axes) / torch.sum(weights, axes)


def cumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    return _cumulative(torch.cumsum, x, axis, dtype)


def cumprod(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    return _cumulative(torch.cumprod, x, axis, dtype)


def _cumulative(function: Any, x: Any, axis: Any, dtype: Any) -> Any:
    x = convert_to_tensor(x)
    if dtype is None:
        dtype = "int32" if x.dtype is torch.bool else x.dtype
    x = x.to(to_plait_dtype(dtype))
    if axis is None:
        x, axis = x.reshape(-1), 0
    return function(x, axis, dtype=x.dtype)


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The area under y, by trapezoids."""
    y = as_float(y)
    if x is not None:
        return torch.trapezoid(y, convert_to_tensor(x).to(y.dtype), dim=axis)
    area = torch.trapezoid(y, dim=axis)
    return area * (dx if isinstance(dx, (int, float)) else convert_to_tensor(dx).to(y.dtype))


# -- order statistics ----------------------------------------------------------------------------


def ranked(x: Any, axis: Any) -> tuple[Any, tuple[int, ...]]:
    """x with the axes joined to a last one; and they."""
    axes = axes_of(axis, x.ndim)
    rest = [a for a in range(x.ndim) if a not in axes]
    moved = x.permute(*rest, *axes) if x.ndim else x
    return moved.reshape([*[x.shape[a] for a in rest], -1]), axes


def kept(made: Any, axes: tuple[int, ...], lead: int) -> Any:
    """The result with the axes back, as extents 1, after `lead` axes."""
    for axis in sorted(axes):
        made = made.unsqueeze(axis + lead)
    return made


def median(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return quantile(x, 0.5, axis, keepdims=keepdims)


def percentile(
    x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
) -> Any:
    q = as_float(q)
    return quantile(x, q / 100, axis, method, keepdims)


def quantile(
    x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """The q-th quantiles over the axes; a q with axes adds them in front.

    method: "linear", "lower", "higher", "midpoint" or "nearest".
    """
    x = convert_to_tensor(x)
    x = x.to(to_plait_dtype(floatx() if name_of(x) == "int64" else result_type(name_of(x), float)))
    return quantile_by(torch.quantile, x, q, axis, method, keepdims)


def quantile_by(function: Any, x: Any, q: Any, axis: Any, method: str, keepdims: bool) -> Any:
    computed = torch.float64 if x.dtype is torch.float64 else torch.float32
    q = convert_to_tensor(q).to(computed)
    if axis is not None and not axes_of(axis, x.ndim):
        return x.expand(*q.shape, *x.shape)
    rows, axes = ranked(x.to(computed), axis)
    made = function(rows, q.reshape(-1), dim=-1, interpolation=method)
    made = made.reshape(*q.shape, *made.shape[1:]).to(x.dtype)
    return kept(made, axes, q.ndim) if keepdims else made
