"""Lowerings of the ops that write or combine at computed places."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.codegen import copies, scatter, vectors
from plait.core.codegen.convert import conversion
from plait.core.codegen.kernel import Launch
from plait.core.compiler.lower.copies import fill_zero, plain_copy
from plait.core.compiler.lower.gather import grain_of, merged
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir import dtypes
from plait.core.ir.extents import is_marked
from plait.core.ir.op import elements

#: Less than this many bytes of sources are one unit's work.
_SMALL = 1 << 15
#: Ranges of destination rows: of wide rows, and of those so short that the search would tell.
_RANGES, _FEW_RANGES = 16, 4
_SHORT = 128


def is_zeros(buffer: Buffer) -> bool:
    """Whether a buffer is a constant of zeros (by value: all bits zero)."""
    value = buffer.value
    if buffer.made is not None and (buffer.made[0] is not np.full or is_marked(buffer.made[1][1])):
        return False  # in another run it may be another one
    return value is not None and value.size > 0 and not value.view("u1").any()


# -- whole rows -------------------------------------------------------------------------------


def _ranges(rows: int, source_bytes: int, row_bytes: int, whole_bytes: int) -> int:
    if source_bytes < _SMALL and whole_bytes < copies.CHUNK:
        return 1
    return max(1, min(rows, _RANGES if row_bytes >= _SHORT else _FEW_RANGES))


def _launch_rows(
    plan: Plan, made: Any, dtype: Any, result: Buffer, base: Buffer, index: Buffer, src: Buffer
) -> None:
    """Add (in `dtype`) or put (None) the rows of src."""
    axis = made.attrs["axis"]
    shape = base.shape
    outer, extent, row = elements(shape[:axis]), shape[axis], elements(shape[axis + 1 :])
    count = elements(index.shape)
    from_zero = is_zeros(base)
    row_bytes = row * base.dtype.itemsize
    ranges = _ranges(extent, count * row_bytes, row_bytes, extent * row_bytes)
    plan.launch(
        Launch(
            scatter.rows_kernel(dtype, row_bytes if dtype is None else row, from_zero),
            (result,),
            (index, src) if from_zero else (base, index, src),
            units=outer * ranges,
            numbers=(extent, count, ranges),
            flops=0 if dtype is None else elements(src.shape),
            bytes=index.nbytes + 3 * src.nbytes + 2 * result.nbytes,
            in_place=() if from_zero else ((0, 0),),
        )
    )


def _lower_put_at(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    if epilogue is not None:
        return False
    if outputs[0].nbytes:
        _launch_rows(plan, made, None, outputs[0], *inputs)
    return True


def _lower_add_at(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    base, index, src = inputs
    if epilogue is not None or not vectors.is_supported(base.dtype):
        return False
    if not outputs[0].nbytes:
        return True
    if not base.dtype.is_half:
        _launch_rows(plan, made, base.dtype, outputs[0], base, index, src)
        return True
    wide_base, wide_src = _widened(plan, base), _widened(plan, src)
    sums = plan.temporary(base.shape, dtypes.float32)
    _launch_rows(plan, made, dtypes.float32, sums, wide_base, index, wide_src)
    plan.launch(conversion(sums, outputs[0]))
    return True


def _widened(plan: Plan, buffer: Buffer) -> Buffer:
    """A 16-bit buffer as float32."""
    if is_zeros(buffer) and buffer.value is not None:
        return plan.full(buffer.shape, 0, dtypes.float32)
    wide = plan.temporary(buffer.shape, dtypes.float32)
    plan.launch(conversion(buffer, wide))
    return wide


# -- single elements --------------------------------------------------------------------------


def _lower_scatter(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    base, index, src = inputs
    (result,) = outputs
    mode = made.attrs["mode"]
    if epilogue is not None or not (mode == "set" or vectors.is_supported(base.dtype)):
        return False
    if not index.shape:
        return False
    if not result.nbytes:
        return True
    if not base.dtype.is_half or mode == "set":
        _start(plan, result, base)
        _launch_elements(plan, made, mode, result, index, src)
        return True
    sums = plan.temporary(base.shape, dtypes.float32)
    plan.launch(conversion(base, sums))
    _launch_elements(plan, made, mode, sums, index, _widened(plan, src))
    plan.launch(conversion(sums, result))
    return True


def _start(plan: Plan, result: Buffer, base: Buffer) -> None:
    """Let the result hold the base."""
    if is_zeros(base):
        fill_zero(plan, result)
    else:
        plain_copy(plan, base, result)


def _launch_elements(
    plan: Plan, made: Any, mode: str, result: Buffer, index: Buffer, src: Buffer
) -> None:
    extents, strides, axis = merged(index.shape, result.shape, made.attrs["axis"])
    count = elements(index.shape)
    if not count:
        return
    lines = elements(tuple([n for d, n in enumerate(extents[:-1]) if d != axis]))
    blocks = 1 if axis == len(extents) - 1 else -(-extents[-1] // scatter.COLUMNS)
    units = lines * blocks
    plan.launch(
        Launch(
            scatter.scatter_kernel(result.dtype, mode, len(extents), axis),
            (result,),
            (index, src),
            units=units,
            numbers=(*extents, *strides),
            grain=grain_of((index.nbytes + 3 * src.nbytes) // units),
            flops=0 if mode == "set" else count,
            bytes=index.nbytes + 3 * src.nbytes,
            also_reads=True,
        )
    )


LOWERINGS = {
    "add_at": _lower_add_at,
    "put_at": _lower_put_at,
    "scatter": _lower_scatter,
    "scatter_reduce": _lower_scatter,
}
