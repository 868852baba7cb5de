"""Views: ops that only say where each element comes from, and the ops that write into one."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.families import require_same_dtype
from plait.core.ops.reduce import SUM
from plait.core.ops.source import constant, full


def _no_flops(*inputs: Any, **attrs: Any) -> int:
    return 0


# -- broadcast --------------------------------------------------------------------------------


def _infer_broadcast(x: Any, *, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Repeat along new leading axes and along axes of extent 1, as NumPy aligns shapes."""
    lead = len(shape) - len(x.shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(x.shape, shape[lead:])):
        raise ShapeError(f"broadcast: shape {list(x.shape)} does not expand to {list(shape)}")
    return shape, x.dtype


def _broadcast_vjp(g: Any, y: Any, x: Any, *, shape: tuple[int, ...]) -> Any:
    return sum_to(g, x.shape)


BROADCAST = Op(
    "broadcast",
    infer=_infer_broadcast,
    lowering=Lowering.VIEW,
    reference=lambda x, *, shape: np.broadcast_to(x, shape),
    vjp=_broadcast_vjp,
    flops=_no_flops,
    moves_only=True,
    dtypes=dtypes.COMMON,
)


def broadcast(x: Any, shape: tuple[int, ...]) -> Any:
    """`x` repeated to `shape`; `x` itself where it has that shape."""
    return x if x.shape == shape else BROADCAST(x, shape=shape)


def sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    """The transpose of `broadcast`: sum the axes along which `shape` was repeated."""
    lead = len(x.shape) - len(shape)
    stretched = [i + lead for i, n in enumerate(shape) if n == 1 and x.shape[i + lead] != 1]
    axes = tuple(range(lead)) + tuple(stretched)
    summed = SUM(x, axes=axes) if axes else x
    return reshape(summed, shape)


# -- reshape, transpose, flip -----------------------------------------------------------------


def _infer_reshape(x: Any, *, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """The same elements in row-major order under another shape."""
    if elements(shape) != elements(x.shape):
        raise ShapeError(
            f"reshape: shape {list(shape)} is invalid for input of size {elements(x.shape)} "
            f"(shape {list(x.shape)})"
        )
    return shape, x.dtype


RESHAPE = Op(
    "reshape",
    infer=_infer_reshape,
    lowering=Lowering.VIEW,
    reference=lambda x, *, shape: np.reshape(x, shape),
    vjp=lambda g, y, x, *, shape: RESHAPE(g, shape=x.shape),
    flops=_no_flops,
    moves_only=True,
    dtypes=dtypes.COMMON,
)


def reshape(x: Any, shape: tuple[int, ...]) -> Any:
    """`x` under another shape; `x` itself where it has it."""
    return x if x.shape == shape else RESHAPE(x, shape=shape)


def _infer_transpose(x: Any, *, axes: tuple[int, ...]) -> tuple[Any, Any]:
    """Axis i of the result is axis axes[i] of the operand."""
    if sorted(axes) != list(range(len(x.shape))):
        raise ShapeError(f"transpose: axes {axes} do not permute a shape of {list(x.shape)}")
    return tuple([x.shape[axis] for axis in axes]), x.dtype


def inverse_permutation(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes `axes`."""
    inverse = [0] * len(axes)
    for place, axis in enumerate(axes):
        inverse[axis] = place
    return tuple(inverse)


TRANSPOSE = Op(
    "transpose",
    infer=_infer_transpose,
    lowering=Lowering.VIEW,
    reference=lambda x, *, axes: np.transpose(x, axes),
    vjp=lambda g, y, x, *, axes: TRANSPOSE(g, axes=inverse_permutation(axes)),
    flops=_no_flops,
    moves_only=True,
    dtypes=dtypes.COMMON,
)


def transpose(x: Any, axes: tuple[int, ...]) -> Any:
    """`x` with axes permuted; `x` itself for the identity."""
    return x if axes == tuple(range(len(axes))) else TRANSPOSE(x, axes=axes)


def _infer_flip(x: Any, *, axes: tuple[int, ...]) -> tuple[Any, Any]:
    """Reverse the order along `axes`."""
    if any(not 0 <= axis < len(x.shape) for axis in axes):
        raise ShapeError(f"flip: axes {axes} do not fit a shape of {list(x.shape)}")
    return x.shape, x.dtype


FLIP = Op(
    "flip",
    infer=_infer_flip,
    lowering=Lowering.VIEW,
    reference=lambda x, *, axes: np.flip(x, axes),
    vjp=lambda g, y, x, *, axes: FLIP(g, axes=axes),
    flops=_no_flops,
    moves_only=True,
    dtypes=dtypes.COMMON,
)


# -- slice, pad, update -----------------------------------------------------------------------


def _slice_extent(start: int, stop: int, step: int) -> int:
    return max(0, -(-(stop - start) // step))


def _infer_slice(
    x: Any, *, starts: tuple[int, ...], stops: tuple[int, ...], steps: tuple[int, ...]
) -> tuple[Any, Any]:
    """Every `step`-th element from `start` up to `stop` along each axis; none is negative."""
    if not len(starts) == len(stops) == len(steps) == len(x.shape) or any(
        not (0 <= a <= b <= n and s > 0) for a, b, s, n in zip(starts, stops, steps, x.shape)
    ):
        raise ShapeError(
            f"slice: starts {starts}, stops {stops}, steps {steps} do not fit a shape of "
            f"{list(x.shape)}"
        )
    return tuple([_slice_extent(a, b, s) for a, b, s in zip(starts, stops, steps)]), x.dtype


def _slices(starts: Any, stops: Any, steps: Any) -> tuple[slice, ...]:
    return tuple([slice(a, b, s) for a, b, s in zip(starts, stops, steps)])


def _slice_vjp(g: Any, y: Any, x: Any, *, starts: Any, stops: Any, steps: Any) -> Any:
    if 0 in g.shape:
        return full(0, x.shape, x.dtype)
    high = tuple([n - a - (m - 1) * s - 1 for n, a, s, m in zip(x.shape, starts, steps, g.shape)])
    return PAD(g, low=starts, high=high, interior=tuple([s - 1 for s in steps]), value=0)


SLICE = Op(
    "slice",
    infer=_infer_slice,
    lowering=Lowering.VIEW,
    reference=lambda x, *, starts, stops, steps: x[_slices(starts, stops, steps)],
    vjp=_slice_vjp,
    flops=_no_flops,
    moves_only=True,
    dtypes=dtypes.COMMON,
)


def _infer_pad(
    x: Any, *, low: tuple[int, ...], high: tuple[int, ...], interior: tuple[int, ...], value: Any
) -> tuple[Any, Any]:
    """Surround with `value`, and put `interior` of it between neighbours; nothing is negative."""
    if not len(low) == len(high) == len(interior) == len(x.shape) or any(
        p < 0 for p in (*low, *high, *interior)
    ):
        raise ShapeError(
            f"pad: low {low}, high {high}, interior {interior} do not fit a shape of "
            f"{list(x.shape)}"
        )
    shape = [
        lo + hi + n + max(0, n - 1) * between
        for n, lo, hi, between in zip(x.shape, low, high, interior)
    ]
    return tuple(shape), x.dtype


def _pad_places(shape: Any, low: Any, interior: Any) -> tuple[slice, ...]:
    return tuple(
        [
            slice(lo, lo + (n - 1) * (between + 1) + 1 if n else lo, between + 1)
            for n, lo, between in zip(shape, low, interior)
        ]
    )


def _pad(x: np.ndarray, *, low: Any, high: Any, interior: Any, value: Any) -> np.ndarray:
    shape = [
        lo + hi + n + max(0, n - 1) * between
        for n, lo, hi, between in zip(x.shape, low, high, interior)
    ]
    padded = np.full(shape, value, x.dtype)
    padded[_pad_places(x.shape, low, interior)] = x
    return padded


def _pad_vjp(g: Any, y: Any, x: Any, *, low: Any, high: Any, interior: Any, value: Any) -> Any:
    places = _pad_places(x.shape, low, interior)
    return SLICE(
        g,
        starts=low,
        stops=tuple([p.stop for p in places]),
        steps=tuple([p.step for p in places]),
    )


PAD = Op(
    "pad",
    infer=_infer_pad,
    lowering=Lowering.VIEW,
    reference=_pad,
    vjp=_pad_vjp,
    flops=_no_flops,
    moves_only=True,
    dtypes=dtypes.COMMON,
)


def _infer_update(
    base: Any, value: Any, *, starts: tuple[int, ...], stops: Any, steps: tuple[int, ...]
) -> tuple[Any, Any]:
    """`base` with the places that `slice` would read replaced by `value`."""
    shape, _ = _infer_slice(base, starts=starts, stops=stops, steps=steps)
    require_same_dtype("update_slice", base, value)
    if value.shape != shape:
        raise ShapeError(
            f"update_slice: value of shape {list(value.shape)} for a slice of shape {list(shape)}"
        )
    return base.shape, base.dtype


def _update(
    base: np.ndarray, value: np.ndarray, *, starts: Any, stops: Any, steps: Any
) -> np.ndarray:
    updated = base.copy()
    updated[_slices(starts, stops, steps)] = value
    return updated


def _update_vjp(g: Any, y: Any, base: Any, value: Any, **where: Any) -> tuple[Any, Any]:
    hole = constant(0, value)
    return UPDATE_SLICE(g, hole, **where), SLICE(g, **where)


UPDATE_SLICE = Op(
    "update_slice",
    infer=_infer_update,
    lowering=Lowering.VIEW,
    reference=_update,
    vjp=_update_vjp,
    flops=_no_flops,
    moves_only=True,
    dtypes=dtypes.COMMON,
)


# -- concat -----------------------------------------------------------------------------------


def _infer_concat(*values: Any, axis: int) -> tuple[Any, Any]:
    """Join along an axis that all operands have; the other extents agree."""
    first = values[0]
    require_same_dtype("concat", *values)
    for value in values:
        if len(value.shape) != len(first.shape) or any(
            n != m for i, (n, m) in enumerate(zip(value.shape, first.shape)) if i != axis
        ):
            raise ShapeError(
                f"concat: sizes must match except in axis {axis}, received "
                f"{', '.join(str(list(v.shape)) for v in values)}"
            )
    extent = sum(value.shape[axis] for value in values)
    return (*first.shape[:axis], extent, *first.shape[axis + 1 :]), first.dtype


def _concat_vjp(g: Any, y: Any, *values: Any, axis: int) -> tuple[Any, ...]:
    grads = []
    start = 0
    for value in values:
        stop = start + value.shape[axis]
        grads.append(slice_axis(g, axis, start, stop))
        start = stop
    return tuple(grads)


CONCAT = Op(
    "concat",
    infer=_infer_concat,
    lowering=Lowering.VIEW,
    reference=lambda *values, axis: np.concatenate(values, axis),
    vjp=_concat_vjp,
    flops=_no_flops,
    moves_only=True,
    dtypes=dtypes.COMMON,
)


def slice_axis(x: Any, axis: int, start: int, stop: int, step: int = 1) -> Any:
    """A slice along one axis; the others are whole."""
    rank = len(x.shape)
    return SLICE(
        x,
        starts=tuple([start if i == axis else 0 for i in range(rank)]),
        stops=tuple([stop if i == axis else n for i, n in enumerate(x.shape)]),
        steps=tuple([step if i == axis else 1 for i in range(rank)]),
    )


# -- bitcast ----------------------------------------------------------------------------------


def _infer_bitcast(x: Any, *, dtype: Any) -> tuple[Any, Any]:
    """The same bytes read as another dtype of the same size."""
    if dtype.itemsize != x.dtype.itemsize:
        raise DTypeError(
            f"bitcast: {x.dtype.name} and {dtype.name} differ in size "
            f"({x.dtype.itemsize} and {dtype.itemsize} bytes)"
        )
    return x.shape, dtype


BITCAST = Op(
    "bitcast",
    infer=_infer_bitcast,
    lowering=Lowering.VIEW,
    reference=lambda x, *, dtype: np.ascontiguousarray(x).view(dtype.numpy).reshape(x.shape),
    flops=_no_flops,
    moves_only=True,
)
