"""Reading and writing at computed places: take, gather, scatter.

`CHECK_INDEX` is the one op that looks at index values: it refuses those out of range and wraps
negative ones. The others take its result and assume 0 <= index < size.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.elementwise import DIV, EQ, MUL, WHERE, cast
from plait.core.ops.families import INTEGER, ORDERED, require_kind, require_same_dtype
from plait.core.ops.families import test_dtypes as dtypes_of_kinds
from plait.core.ops.numeric.scatter import accumulate, add_rows, grid_places
from plait.core.ops.source import constant, full


def require_axis(name: str, x: Any, axis: int) -> None:
    """Raise ShapeError unless `axis` is an axis of `x`, counted from the front."""
    if not 0 <= axis < len(x.shape):
        raise ShapeError(f"{name}: axis {axis} does not fit an operand of shape {list(x.shape)}")


def _require_index(name: str, index: Any) -> None:
    if index.dtype is not dtypes.int64:
        raise DTypeError(
            f"{name}: expected an int64 index, received {index.dtype.name} of shape "
            f"{list(index.shape)}; cast integers, and use a mask through its nonzero places"
        )


def _no_flops(*inputs: Any, **attrs: Any) -> int:
    return 0


# -- the check --------------------------------------------------------------------------------


def _infer_check_index(
    index: Any, *, size: int, what: str, caller: str = "check_index"
) -> tuple[Any, Any]:
    """An index into `size` places: refused out of range, negatives counted from the end.

    what: the axis, as the message calls it. caller: the function that the user called.
    """
    require_kind("check_index", index.dtype, INTEGER)
    return index.shape, dtypes.int64


def _check_index(index: np.ndarray, *, size: int, what: str, caller: str = "check_index") -> None:
    if not index.size:
        return
    low, high = int(index.min()), int(index.max())
    if low < -size or high >= size:
        bad = int(index[(index < -size) | (index >= size)][0])
        raise IndexError(
            f"index {bad} is out of bounds for {what} with size {size}\n"
            f"  ({caller}: {index.dtype.name} index of shape {list(index.shape)}; expected "
            f"-{size} <= index < {size})"
        )


def _wrap_index(index: np.ndarray, *, size: int, what: str, caller: str = "") -> np.ndarray:
    wide = index.astype(np.int64)
    return np.where(wide < 0, wide + size, wide)


CHECK_INDEX = Op(
    "check_index",
    infer=_infer_check_index,
    lowering=Lowering.ELEMENTWISE,
    reference=_wrap_index,
    check=_check_index,
    checks=(0,),
    moves_only=True,
    dtypes=dtypes_of_kinds(INTEGER),
)


# -- whole slices: take, add_at, put_at -------------------------------------------------------


def _taken_shape(name: str, x: Any, index: Any, axis: int) -> tuple[int, ...]:
    require_axis(name, x, axis)
    _require_index(name, index)
    return (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])


def _infer_take(x: Any, index: Any, *, axis: int) -> tuple[Any, Any]:
    """The slices of `x` along `axis` that `index` names, in its shape, in place of the axis."""
    shape = _taken_shape("take", x, index, axis)
    if x.shape[axis] == 0 and elements(index.shape) and elements(shape):
        raise ShapeError(
            f"take: cannot take {elements(index.shape)} slices from axis {axis} of extent 0 of "
            f"shape {list(x.shape)}"
        )
    return shape, x.dtype


def _take_vjp(g: Any, y: Any, x: Any, index: Any, *, axis: int) -> tuple[Any, Any]:
    return ADD_AT(full(0, x.shape, x.dtype), index, g, axis=axis), None


TAKE = Op(
    "take",
    infer=_infer_take,
    lowering=Lowering.GATHER,
    reference=lambda x, index, *, axis: np.take(x, index, axis=axis),
    vjp=_take_vjp,
    saves=(1,),
    differentiable=(0,),
    flops=_no_flops,
    bytes=lambda x, index, *, axis: (
        elements(index.shape) * index.dtype.itemsize
        + 2 * elements(_taken_shape("take", x, index, axis)) * x.dtype.itemsize
    ),
    moves_only=True,
    dtypes=dtypes.COMMON,
)


def _infer_at(name: str, base: Any, index: Any, src: Any, axis: int) -> tuple[Any, Any]:
    wanted = _taken_shape(name, base, index, axis)
    require_same_dtype(name, base, src)
    if src.shape != wanted:
        raise ShapeError(
            f"{name}: expected a source of shape {list(wanted)} for base {list(base.shape)}, "
            f"index {list(index.shape)} and axis {axis}; received {list(src.shape)}"
        )
    return base.shape, base.dtype


def _bytes_at(base: Any, index: Any, src: Any, **attrs: Any) -> int:
    width = base.dtype.itemsize
    written = 2 * elements(base.shape) * width + 3 * elements(src.shape) * width
    return written + elements(index.shape) * index.dtype.itemsize


def _infer_add_at(base: Any, index: Any, src: Any, *, axis: int) -> tuple[Any, Any]:
    """`base` with the slices of `src` added where `index` says; duplicates add up in order."""
    return _infer_at("add_at", base, index, src, axis)


ADD_AT = Op(
    "add_at",
    infer=_infer_add_at,
    lowering=Lowering.SCATTER,
    reference=lambda base, index, src, *, axis: add_rows(base, index, src, axis),
    vjp=lambda g, y, base, index, src, *, axis: (g, None, TAKE(g, index, axis=axis)),
    saves=(1,),
    differentiable=(0, 2),
    flops=lambda base, index, src, **attrs: elements(src.shape),
    bytes=_bytes_at,
    dtypes=dtypes.COMMON,
)


def _infer_put_at(base: Any, index: Any, src: Any, *, axis: int) -> tuple[Any, Any]:
    """`base` with the slices of `src` put where `index` says; the last of duplicates stays."""
    return _infer_at("put_at", base, index, src, axis)


def _put_at(base: np.ndarray, index: np.ndarray, src: np.ndarray, *, axis: int) -> np.ndarray:
    result = base.copy()
    result[(slice(None),) * axis + (index,)] = src
    return result


def _put_at_vjp(g: Any, y: Any, base: Any, index: Any, src: Any, *, axis: int) -> tuple:
    # As PyTorch's index_put: each duplicate receives the gradient, though only the last was kept.
    hole = full(0, src.shape, src.dtype)
    return PUT_AT(g, index, hole, axis=axis), None, TAKE(g, index, axis=axis)


PUT_AT = Op(
    "put_at",
    infer=_infer_put_at,
    lowering=Lowering.SCATTER,
    reference=_put_at,
    vjp=_put_at_vjp,
    saves=(1,),
    differentiable=(0, 2),
    flops=_no_flops,
    bytes=_bytes_at,
    moves_only=True,
    dtypes=dtypes.COMMON,
)


# -- single elements: gather, scatter ---------------------------------------------------------


def _require_fitting_index(name: str, x: Any, index: Any, axis: int) -> None:
    require_axis(name, x, axis)
    _require_index(name, index)
    fits = len(index.shape) == len(x.shape) and all(
        n <= m for d, (n, m) in enumerate(zip(index.shape, x.shape)) if d != axis
    )
    if not fits:
        raise ShapeError(
            f"{name}: expected an index of the operand's rank and no larger than it apart from "
            f"axis {axis}; received index {list(index.shape)} and operand {list(x.shape)}"
        )


def _infer_gather(x: Any, index: Any, *, axis: int) -> tuple[Any, Any]:
    """result[i, j] = x[i, index[i, j]] for axis 1, and so on; of the index's shape."""
    _require_fitting_index("gather", x, index, axis)
    if x.shape[axis] == 0 and elements(index.shape):
        raise ShapeError(
            f"gather: cannot gather {elements(index.shape)} elements from axis {axis} of extent 0 "
            f"of shape {list(x.shape)}"
        )
    return index.shape, x.dtype


def _gather(x: np.ndarray, index: np.ndarray, *, axis: int) -> np.ndarray:
    corner = tuple([slice(None) if d == axis else slice(n) for d, n in enumerate(index.shape)])
    return np.take_along_axis(x[corner], index, axis)


def _gather_vjp(g: Any, y: Any, x: Any, index: Any, *, axis: int) -> tuple[Any, Any]:
    return SCATTER(full(0, x.shape, x.dtype), index, g, axis=axis, mode="add"), None


GATHER = Op(
    "gather",
    infer=_infer_gather,
    lowering=Lowering.GATHER,
    reference=_gather,
    vjp=_gather_vjp,
    saves=(1,),
    differentiable=(0,),
    flops=_no_flops,
    bytes=lambda x, index, *, axis: (
        elements(index.shape) * (index.dtype.itemsize + 2 * x.dtype.itemsize)
    ),
    moves_only=True,
    dtypes=dtypes.COMMON,
)


def _infer_scattered(
    name: str, modes: tuple[str, ...], base: Any, index: Any, src: Any, axis: int, mode: str
) -> tuple[Any, Any]:
    if mode not in modes:
        raise ValueError(f"{name}: mode {mode!r} is not one of {', '.join(modes)}")
    _require_fitting_index(name, base, index, axis)
    require_same_dtype(name, base, src)
    if src.shape != index.shape:
        raise ShapeError(
            f"{name}: source and index must have one shape, received {list(src.shape)} and "
            f"{list(index.shape)}"
        )
    return base.shape, base.dtype


def _infer_scatter(base: Any, index: Any, src: Any, *, axis: int, mode: str) -> tuple[Any, Any]:
    """`base` with each element of `src` put ("set") or added ("add") where `index` says."""
    return _infer_scattered("scatter", ("set", "add"), base, index, src, axis, mode)


_COMBINE = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def _scatter(
    base: np.ndarray, index: np.ndarray, src: np.ndarray, *, axis: int, mode: str
) -> np.ndarray:
    result = np.array(base, order="C")
    places = grid_places(base.shape, index, axis)
    if mode == "set":
        result.reshape(-1)[places.reshape(-1)] = src.reshape(-1)
    else:
        accumulate(_COMBINE[mode], result, places, src)
    return result


def _scatter_vjp(
    g: Any, y: Any, base: Any, index: Any, src: Any, *, axis: int, mode: str
) -> tuple[Any, Any, Any]:
    grad_src = GATHER(g, index, axis=axis)
    if mode == "add":
        return g, None, grad_src
    hole = full(0, src.shape, src.dtype)
    return SCATTER(g, index, hole, axis=axis, mode="set"), None, grad_src


SCATTER = Op(
    "scatter",
    infer=_infer_scatter,
    lowering=Lowering.SCATTER,
    reference=_scatter,
    vjp=_scatter_vjp,
    saves=(1,),
    differentiable=(0, 2),
    flops=lambda base, index, src, *, axis, mode: elements(src.shape) * (mode == "add"),
    bytes=_bytes_at,
    dtypes=dtypes.COMMON,
)


def _infer_scatter_reduce(
    base: Any, index: Any, src: Any, *, axis: int, mode: str
) -> tuple[Any, Any]:
    """`base` combined with each element of `src` where `index` says: "mul", "max" or "min"."""
    require_kind("scatter_reduce", base.dtype, ORDERED)
    return _infer_scattered("scatter_reduce", ("mul", "max", "min"), base, index, src, axis, mode)


def _scatter_reduce_vjp(
    g: Any, y: Any, base: Any, index: Any, src: Any, *, axis: int, mode: str
) -> tuple[Any, Any, Any]:
    rule = _product_vjp if mode == "mul" else _extremum_vjp
    grad_base, grad_src = rule(g, y, base, index, src, axis)
    return grad_base, None, grad_src


def _extremum_vjp(g: Any, y: Any, base: Any, index: Any, src: Any, axis: int) -> tuple[Any, Any]:
    """All that equal the extremum, in base and source, share its gradient evenly."""
    base_wins = cast(EQ(base, y), g.dtype)
    src_wins = cast(EQ(src, GATHER(y, index, axis=axis)), g.dtype)
    winners = SCATTER(base_wins, index, src_wins, axis=axis, mode="add")
    share = DIV(g, winners)
    return MUL(base_wins, share), MUL(src_wins, GATHER(share, index, axis=axis))


def _product_vjp(g: Any, y: Any, base: Any, index: Any, src: Any, axis: int) -> tuple[Any, Any]:
    """Each factor gets the product of the others, right also where some are 0 (see `prod`)."""
    where = {"axis": axis}
    others = SCATTER_REDUCE(constant(1, base), index, src, mode="mul", **where)
    zero, one = constant(0, src), constant(1, src)
    is_zero = EQ(src, zero)
    filled = WHERE(is_zero, one, src)
    zeros = SCATTER(constant(0, base), index, cast(is_zero, base.dtype), mode="add", **where)
    zeros = GATHER(zeros, index, **where)
    total = MUL(g, SCATTER_REDUCE(base, index, filled, mode="mul", **where))
    total = GATHER(total, index, **where)
    alone = WHERE(is_zero, total, zero)
    grad_src = WHERE(EQ(zeros, zero), DIV(total, filled), WHERE(EQ(zeros, one), alone, zero))
    return MUL(g, others), grad_src


SCATTER_REDUCE = Op(
    "scatter_reduce",
    infer=_infer_scatter_reduce,
    lowering=Lowering.SCATTER,
    reference=_scatter,
    vjp=_scatter_reduce_vjp,
    saves=(0, 1, 2, "y"),
    differentiable=(0, 2),
    flops=lambda base, index, src, **attrs: elements(src.shape),
    bytes=_bytes_at,
    dtypes=dtypes_of_kinds(ORDERED),
)


def scatter(base: Any, index: Any, src: Any, axis: int, mode: str) -> Any:
    """`base` with `src` written at `index`, by "set", "add", "mul", "max" or "min".

    Two records, because only the last three keep base, source and result for their derivative.
    """
    op = SCATTER if mode in ("set", "add") else SCATTER_REDUCE
    return op(base, index, src, axis=axis, mode=mode)
