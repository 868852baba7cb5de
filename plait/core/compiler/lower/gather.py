"""Lowerings of `take` and `gather`."""

from __future__ import annotations

from typing import Any

from plait.core.codegen import copies
from plait.core.codegen.gather import gather_kernel, take_kernel
from plait.core.codegen.kernel import Launch
from plait.core.compiler.plan import Plan
from plait.core.ir.derived import as_one
from plait.core.ir.op import elements

#: Bytes of result that are worth a thread of their own.
GRAIN_BYTES = 1 << 16

Ints = tuple[int, ...]


def grain_of(unit_bytes: int) -> int:
    """How many units of so many bytes are worth a thread."""
    return as_one(_grain_of, unit_bytes)


def _grain_of(unit_bytes: int) -> int:
    return max(1, GRAIN_BYTES // max(1, unit_bytes))


def _lower_take(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    if epilogue is not None:
        return False
    x, index = inputs
    axis = made.attrs["axis"]
    outer, count = elements(x.shape[:axis]), elements(index.shape)
    row_bytes = elements(x.shape[axis + 1 :]) * x.dtype.itemsize
    if not outer * count * row_bytes:
        return True
    # A table's rows are asked for one by one, and are not to be driven out by results.
    past = (
        row_bytes % copies.LINE == 0
        and row_bytes <= copies.RUN
        and copies.streams(plan.target, outer * count * row_bytes)
    )
    plan.launch(
        Launch(
            take_kernel(row_bytes, outer == 1, past),
            tuple(outputs),
            (x, index),
            units=outer * count,
            numbers=(x.shape[axis], count),
            grain=grain_of(row_bytes),
            bytes=index.nbytes + 2 * outputs[0].nbytes,
        )
    )
    return True


def row_major(shape: Ints) -> Ints:
    """The strides, in elements, of a contiguous array."""
    strides = [1]
    for extent in reversed(shape[1:]):
        strides.insert(0, strides[0] * extent)
    return tuple(strides[: len(shape)])


def merged(index: Ints, x: Ints, axis: int) -> tuple[Ints, Ints, int]:
    """(extents of the index, strides of x, axis) with neighbouring axes made one where they can.

    Two that the index does not run along are one where the index has all of the second.
    """
    strides = row_major(x)
    extents, steps, place = [index[0]], [strides[0]], 0
    for d in range(1, len(x)):
        if axis in (d - 1, d) or index[d] != x[d]:
            extents.append(index[d])
            steps.append(strides[d])
            place = len(extents) - 1 if d == axis else place
        else:
            extents[-1] *= index[d]
            steps[-1] = strides[d]
    return tuple(extents), tuple(steps), place


def _lower_gather(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    if epilogue is not None:
        return False
    x, index = inputs
    if not elements(index.shape):
        return True
    if not index.shape:
        return False
    extents, strides, axis = merged(index.shape, x.shape, made.attrs["axis"])
    plan.launch(
        Launch(
            gather_kernel(x.dtype.itemsize, len(extents), axis),
            tuple(outputs),
            (x, index),
            units=elements(extents[:-1]),
            numbers=(*extents, *strides),
            grain=grain_of(extents[-1] * (8 + 2 * x.dtype.itemsize)),
            bytes=index.nbytes + 2 * outputs[0].nbytes,
        )
    )
    return True


LOWERINGS = {"take": _lower_take, "gather": _lower_gather}
