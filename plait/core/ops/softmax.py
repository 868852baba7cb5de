"""Softmax and its logarithm along one axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.elementwise import LOG, MUL, SUB, cast
from plait.core.ops.families import REAL, contiguous, reduced_shape, require_kind
from plait.core.ops.families import test_dtypes as dtypes_of_kinds
from plait.core.ops.math import EXP, RECIPROCAL
from plait.core.ops.reduce import MAX, SUM
from plait.core.ops.rows import minus, row_sum, times, widen


def _infer_softmax(x: Any, *, axis: int) -> tuple[Any, Any]:
    """exp(x) divided by its sum along `axis`; nan where all of a row is -inf."""
    require_kind("softmax", x.dtype, REAL)
    reduced_shape("softmax", x.shape, (axis,))
    return x.shape, x.dtype


def _infer_log_softmax(x: Any, *, axis: int) -> tuple[Any, Any]:
    """The logarithm of softmax along `axis`, computed without leaving the logarithms."""
    require_kind("log_softmax", x.dtype, REAL)
    reduced_shape("log_softmax", x.shape, (axis,))
    return x.shape, x.dtype


def _flops(x: Any, *, axis: int) -> int:
    return 20 * elements(x.shape)


def softmax(x: np.ndarray, *, axis: int) -> np.ndarray:
    """Softmax on NumPy; the largest of a row is subtracted first, so that nothing overflows."""
    if x.size == 0:
        return x
    x = contiguous(x)
    e = x - x.max(axis, keepdims=True)
    np.exp(e, out=e)
    e /= e.sum(axis, keepdims=True)
    return e


def log_softmax(x: np.ndarray, *, axis: int) -> np.ndarray:
    """Log-softmax on NumPy."""
    if x.size == 0:
        return x
    x = contiguous(x)
    shifted = x - x.max(axis, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis, keepdims=True))
    return shifted


def _softmax_body(x: Any, *, axis: int) -> Any:
    if x.shape[axis] == 0:
        return x
    wide = widen(x)
    e = EXP(minus(wide, MAX(wide, axes=(axis,))))
    # One division for a row; a product costs a tenth of one, and is half a unit further off.
    return cast(times(e, RECIPROCAL(SUM(e, axes=(axis,)))), x.dtype)


def _log_softmax_body(x: Any, *, axis: int) -> Any:
    if x.shape[axis] == 0:
        return x
    wide = widen(x)
    shifted = minus(wide, MAX(wide, axes=(axis,)))
    return cast(minus(shifted, LOG(SUM(EXP(shifted), axes=(axis,)))), x.dtype)


def _softmax_vjp(g: Any, y: Any, x: Any, *, axis: int) -> Any:
    wide_g, wide_y = widen(g), widen(y)
    inner = minus(wide_g, row_sum(wide_g, wide_y, (axis,)))
    return cast(MUL(wide_y, inner), x.dtype)


def _log_softmax_vjp(g: Any, y: Any, x: Any, *, axis: int) -> Any:
    wide = widen(g)
    return cast(SUB(wide, times(EXP(widen(y)), SUM(wide, axes=(axis,)))), x.dtype)


SOFTMAX = Op(
    "softmax",
    infer=_infer_softmax,
    lowering=Lowering.ROWWISE,
    reference=softmax,
    body=_softmax_body,
    vjp=_softmax_vjp,
    saves=("y",),
    flops=_flops,
    dtypes=dtypes_of_kinds(REAL),
)
LOG_SOFTMAX = Op(
    "log_softmax",
    infer=_infer_log_softmax,
    lowering=Lowering.ROWWISE,
    reference=log_softmax,
    body=_log_softmax_body,
    vjp=_log_softmax_vjp,
    saves=("y",),
    flops=_flops,
    dtypes=dtypes_of_kinds(REAL),
)
