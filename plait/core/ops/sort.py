"""Sorting along an axis: whole (`sort`), and its first k (`topk`).

nan counts as the largest value, as in PyTorch. Equal values keep their order, so results are the
same whatever executor runs them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.errors import ShapeError
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.families import ORDERED, require_kind
from plait.core.ops.families import test_dtypes as dtypes_of_kinds
from plait.core.ops.index import SCATTER, require_axis
from plait.core.ops.source import full


def stable_order(x: np.ndarray, axis: int, descending: bool) -> np.ndarray:
    """The int64 positions that sort `x` along `axis`; equal values keep their order."""
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    # Sorting the reversed line upwards and reversing the result keeps the order of equal values.
    upwards = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return x.shape[axis] - 1 - np.flip(upwards, axis)


def _infer_sort(x: Any, *, axis: int, descending: bool, stable: bool) -> tuple[Any, Any]:
    """Values in order along an axis, and the int64 positions that they had; always stable."""
    require_axis("sort", x, axis)
    require_kind("sort", x.dtype, ORDERED)
    return (x.shape, x.shape), (x.dtype, dtypes.int64)


def _sort(x: np.ndarray, *, axis: int, descending: bool, stable: bool) -> tuple:
    order = stable_order(x, axis, descending)
    return np.take_along_axis(x, order, axis), order


def _sort_vjp(g: Any, y: Any, x: Any, *, axis: int, **attrs: Any) -> Any:
    if g[0] is None:
        return None
    return SCATTER(full(0, x.shape, x.dtype), y[1], g[0], axis=axis, mode="add")


def _sort_flops(x: Any, *, axis: int, **attrs: Any) -> int:
    """Comparisons of a merge sort: n log2 n a line."""
    return elements(x.shape) * math.ceil(math.log2(max(2, x.shape[axis])))


SORT = Op(
    "sort",
    infer=_infer_sort,
    lowering=Lowering.SORT,
    reference=_sort,
    vjp=_sort_vjp,
    saves=("positions",),
    outputs=2,
    flops=_sort_flops,
    bytes=lambda x, **attrs: elements(x.shape) * (2 * x.dtype.itemsize + 8),
    dtypes=dtypes_of_kinds(ORDERED),
)


def _infer_topk(x: Any, *, k: int, axis: int, largest: bool) -> tuple[Any, Any]:
    """The k largest (or smallest) values along an axis in order, and their int64 positions."""
    require_axis("topk", x, axis)
    require_kind("topk", x.dtype, ORDERED)
    if not 0 <= k <= x.shape[axis]:
        raise ShapeError(
            f"topk: selected index k out of range: k is {k}, axis {axis} of shape {list(x.shape)} "
            f"has {x.shape[axis]}"
        )
    shape = (*x.shape[:axis], k, *x.shape[axis + 1 :])
    return (shape, shape), (x.dtype, dtypes.int64)


def _topk(x: np.ndarray, *, k: int, axis: int, largest: bool) -> tuple:
    if k == 1 and largest:
        order = np.argmax(x, axis=axis, keepdims=True)  # the first maximum, and nan before all
    else:
        order = np.take(stable_order(x, axis, largest), np.arange(k), axis=axis)
    return np.take_along_axis(x, order, axis), order


TOPK = Op(
    "topk",
    infer=_infer_topk,
    lowering=Lowering.SORT,
    reference=_topk,
    vjp=_sort_vjp,
    saves=("positions",),
    outputs=2,
    flops=_sort_flops,
    bytes=lambda x, *, k, axis, largest: (
        elements(x.shape) * x.dtype.itemsize
        + elements(x.shape) // max(1, x.shape[axis]) * k * (x.dtype.itemsize + 8)
    ),
    dtypes=dtypes_of_kinds(ORDERED),
)
