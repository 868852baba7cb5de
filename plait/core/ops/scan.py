"""Cumulative ops along an axis: sum, product, running extrema, log of a sum of exponentials."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.elementwise import ADD, GT, LOG, LT, MUL, NEG, SUB, WHERE, cast
from plait.core.ops.families import (
    FLOAT,
    NUMBER,
    ORDERED,
    REAL,
    require_kind,
    require_same_dtype,
    require_same_shape,
)
from plait.core.ops.families import test_dtypes as dtypes_of_kinds
from plait.core.ops.index import SCATTER, require_axis
from plait.core.ops.math import EXP
from plait.core.ops.rows import widen
from plait.core.ops.source import constant, full
from plait.core.ops.view import FLIP, PAD, slice_axis


def _in_and_out(x: Any, **attrs: Any) -> int:
    return 2 * elements(x.shape) * x.dtype.itemsize


def _accumulator(dtype: np.dtype) -> np.dtype:
    """Long running sums and products of float32 are held in float64, as PyTorch's CPU does."""
    return np.dtype(np.float64) if dtype == np.float32 else dtype


# -- sum and product --------------------------------------------------------------------------


def _infer_cumsum(x: Any, *, axis: int, reverse: bool) -> tuple[Any, Any]:
    """Sums of all elements up to each along an axis; from each to the end with `reverse`."""
    require_axis("cumsum", x, axis)
    require_kind("cumsum", x.dtype, NUMBER)
    return x.shape, x.dtype


def _cumsum(x: np.ndarray, *, axis: int, reverse: bool) -> np.ndarray:
    line = np.flip(x, axis) if reverse else x
    total = np.cumsum(line, axis, dtype=_accumulator(x.dtype)).astype(x.dtype, copy=False)
    return np.flip(total, axis) if reverse else total


CUMSUM = Op(
    "cumsum",
    infer=_infer_cumsum,
    lowering=Lowering.SCAN,
    reference=_cumsum,
    vjp=lambda g, y, x, *, axis, reverse: CUMSUM(g, axis=axis, reverse=not reverse),
    bytes=_in_and_out,
    dtypes=dtypes_of_kinds(NUMBER),
)


def _infer_cumprod(x: Any, *, axis: int) -> tuple[Any, Any]:
    """Products of all elements up to each along an axis."""
    require_axis("cumprod", x, axis)
    require_kind("cumprod", x.dtype, NUMBER)
    return x.shape, x.dtype


def _cumprod(x: np.ndarray, *, axis: int) -> np.ndarray:
    return np.cumprod(x, axis, dtype=_accumulator(x.dtype)).astype(x.dtype, copy=False)


def _before(x: Any, axis: int, first: int) -> Any:
    """Every element's neighbour before it; `first` where there is none."""
    count = x.shape[axis]
    low = tuple([int(i == axis) for i in range(len(x.shape))])
    none = (0,) * len(x.shape)
    rest = slice_axis(x, axis, 0, count - 1)
    return PAD(rest, low=low, high=none, interior=none, value=first)


def _cumprod_vjp(g: Any, y: Any, x: Any, *, axis: int) -> Any:
    """The product of all before an element, times the sum over j of g_j times the product of those
    between it and j: a recurrence from the end. Without a division, so that it is right, and
    differentiable again, wherever x is 0.
    """
    if 0 in x.shape:
        return constant(0, x)
    # In float32 for 16 bits: the second factor may be large where the first is small.
    after = LINEAR_RECURRENCE(widen(g), widen(x), axis=axis, reverse=True)
    return cast(MUL(widen(_before(y, axis, 1)), after), x.dtype)


CUMPROD = Op(
    "cumprod",
    infer=_infer_cumprod,
    lowering=Lowering.SCAN,
    reference=_cumprod,
    vjp=_cumprod_vjp,
    saves=(0, "y"),
    bytes=_in_and_out,
    dtypes=dtypes_of_kinds(NUMBER),
)


def _infer_recurrence(x: Any, a: Any, *, axis: int, reverse: bool) -> tuple[Any, Any]:
    """y_j = x_j + a_j y_(j-1) along an axis; x_j + a_(j+1) y_(j+1) with `reverse`. The first of a
    is not read."""
    require_axis("linear_recurrence", x, axis)
    require_same_dtype("linear_recurrence", x, a)
    require_same_shape("linear_recurrence", x, a)
    require_kind("linear_recurrence", x.dtype, FLOAT)
    return x.shape, x.dtype


def _recurrence(x: np.ndarray, a: np.ndarray, *, axis: int, reverse: bool) -> np.ndarray:
    kind = _accumulator(x.dtype)
    y = np.empty(x.shape, x.dtype)
    lines, xs, factors = [np.moveaxis(part, axis, 0) for part in (y, x, a)]
    total = np.zeros(lines.shape[1:], kind)
    count = len(lines)
    for step in range(count):
        at = count - 1 - step if reverse else step
        if step:
            total = total * factors[at + reverse].astype(kind, copy=False)
        lines[at] = total = total + xs[at]
    return y


def _recurrence_vjp(g: Any, y: Any, x: Any, a: Any, *, axis: int, reverse: bool) -> tuple[Any, Any]:
    """The same recurrence the other way: a_j joins the same two neighbours."""
    if 0 in x.shape:
        return constant(0, x), constant(0, x)
    to_x = LINEAR_RECURRENCE(g, a, axis=axis, reverse=not reverse)
    earlier, later = (to_x, y) if reverse else (y, to_x)
    return to_x, MUL(_before(earlier, axis, 0), later)


LINEAR_RECURRENCE = Op(
    "linear_recurrence",
    infer=_infer_recurrence,
    lowering=Lowering.SCAN,
    reference=_recurrence,
    vjp=_recurrence_vjp,
    saves=(1, "y"),
    reads=((1,), (1,)),
    flops=lambda x, a, **attrs: 2 * elements(x.shape),
    dtypes=dtypes_of_kinds(FLOAT),
)


# -- running extrema --------------------------------------------------------------------------


def _running(extremum: np.ufunc) -> Callable[..., tuple]:
    def reference(x: np.ndarray, *, axis: int) -> tuple[np.ndarray, np.ndarray]:
        values = extremum.accumulate(x, axis)
        # The position is that of the last element equal to the extremum; nan stays once met.
        holds = x == values
        if x.dtype.kind == "f":
            holds |= np.isnan(x)
        line = np.arange(x.shape[axis]).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
        return values, np.maximum.accumulate(np.where(holds, line, 0), axis)

    return reference


def _cumulative_extremum(name: str, extremum: np.ufunc) -> Op:
    def infer(x: Any, *, axis: int) -> tuple[Any, Any]:
        """The extremum of all elements up to each along an axis, and its (last) int64 position."""
        require_axis(name, x, axis)
        require_kind(name, x.dtype, ORDERED)
        return (x.shape, x.shape), (x.dtype, dtypes.int64)

    def vjp(g: Any, y: Any, x: Any, *, axis: int) -> Any:
        if g[0] is None:
            return None
        return SCATTER(full(0, x.shape, x.dtype), y[1], g[0], axis=axis, mode="add")

    return Op(
        name,
        infer=infer,
        lowering=Lowering.SCAN,
        reference=_running(extremum),
        vjp=vjp,
        saves=("places",),
        outputs=2,
        bytes=lambda x, **attrs: elements(x.shape) * (2 * x.dtype.itemsize + 8),
        dtypes=dtypes_of_kinds(ORDERED),
    )


CUMMAX = _cumulative_extremum("cummax", np.maximum)
CUMMIN = _cumulative_extremum("cummin", np.minimum)


# -- log of a sum of exponentials -------------------------------------------------------------


def _infer_logcumsumexp(x: Any, *, axis: int) -> tuple[Any, Any]:
    """log of the sum of exp of all elements up to each along an axis, without overflow."""
    require_axis("logcumsumexp", x, axis)
    require_kind("logcumsumexp", x.dtype, REAL)
    return x.shape, x.dtype


def _logcumsumexp_vjp(g: Any, y: Any, x: Any, *, axis: int) -> Any:
    """grad_i = sum over j >= i of g_j exp(x_i - y_j), by the same op on the reversed line.

    The positive and the negative part of g go through logarithms apart, so nothing overflows. The
    logarithms are of the size of x, and cancel: they are taken in float64.
    """
    kind = x.dtype
    g, y, x = [cast(v, dtypes.float64) for v in (g, y, x)]

    def part(sign: Any, size: Any) -> Any:
        log_size = SUB(LOG(WHERE(sign, size, constant(1, g))), y)
        line = FLIP(WHERE(sign, log_size, constant(-math.inf, g)), axes=(axis,))
        return EXP(ADD(FLIP(LOGCUMSUMEXP(line, axis=axis), axes=(axis,)), x))

    zero = constant(0, g)
    return cast(SUB(part(GT(g, zero), g), part(LT(g, zero), NEG(g))), kind)


LOGCUMSUMEXP = Op(
    "logcumsumexp",
    infer=_infer_logcumsumexp,
    lowering=Lowering.SCAN,
    reference=lambda x, *, axis: np.logaddexp.accumulate(x, axis),
    vjp=_logcumsumexp_vjp,
    saves=(0, "y"),
    flops=lambda x, **attrs: 32 * elements(x.shape),
    bytes=_in_and_out,
    dtypes=dtypes.FLOATS,
)
