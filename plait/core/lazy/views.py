"""How a view is taken, laid out in memory, and written through.

A view is a chain of steps over its base tensor. Each step is a VIEW op (or a gather by constant
positions, for `as_strided`), and each has a way back: given the value before the step and a new
value after it, the value before it that agrees with both.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from plait.core.ir.dtypes import int64
from plait.core.ir.errors import DTypeError, ShapeError, error
from plait.core.ir.node import Node, Spec
from plait.core.ir.op import Op, elements, leaf
from plait.core.ops.index import PUT_AT, TAKE
from plait.core.ops.view import (
    BITCAST,
    BROADCAST,
    FLIP,
    RESHAPE,
    SLICE,
    TRANSPOSE,
    UPDATE_SLICE,
    inverse_permutation,
)

EXPANDED = (
    "unsupported operation: more than one element of the written-to tensor refers to a single "
    "memory location. Please clone() the tensor before performing the operation."
)


#: Steps that `step_from` has given, by all that they depend on; beyond so many they are found anew.
_known_steps: dict[tuple, tuple[Step, Any, Any, Layout]] = {}
_MOST_STEPS = 1024


class Step(NamedTuple):
    """One step of a view: op(value, *extra, **attrs)."""

    op: Op
    attrs: dict[str, Any]
    extra: tuple[Node, ...] = ()


class Layout(NamedTuple):
    """Where a tensor's elements lie in its storage, in elements."""

    strides: tuple[int, ...]
    offset: int


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Row-major strides; extents of 0 count as 1, as in PyTorch."""
    strides = []
    step = 1
    for extent in reversed(shape):
        strides.append(step)
        step *= max(extent, 1)
    return tuple(reversed(strides))


def is_contiguous(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether these strides are row-major (extents of 1 may have any stride)."""
    if 0 in shape:
        return True
    expected = 1
    for extent, stride in zip(reversed(shape), reversed(strides)):
        if extent != 1:
            if stride != expected:
                return False
            expected *= extent
    return True


def reshaped_strides(
    shape: tuple[int, ...], strides: tuple[int, ...], new: tuple[int, ...]
) -> tuple[int, ...] | None:
    """Strides under which the same memory has shape `new`; None where no such strides exist."""
    if 0 in shape or is_contiguous(shape, strides):
        return contiguous_strides(new)
    # Merge axes that follow each other in memory, then split each merged run as `new` asks.
    runs: list[list[int]] = []  # [elements, innermost stride]
    for extent, stride in zip(shape, strides):
        if extent == 1:
            continue
        if runs and runs[-1][1] == extent * stride:
            runs[-1] = [runs[-1][0] * extent, stride]
        else:
            runs.append([extent, stride])
    result: list[int] = []
    left, step = runs.pop() if runs else (1, 1)
    for extent in reversed(new):
        if extent == 1:
            result.append(step)
            continue
        if left == 1:
            if not runs:
                return None
            left, step = runs.pop()
        if left % extent:
            return None
        result.append(step)
        step *= extent
        left //= extent
    return tuple(reversed(result)) if left == 1 and not runs else None


def step_from(
    source: Spec, memory: Layout | None, step: Step, layout: Layout | None
) -> tuple[Step, Any, Any, Layout]:
    """A step from a value: the step, its result's shape and dtype, and where that lies.

    memory: where the value lies, None for row-major memory; layout: that of the result, where the
    step does not say it. Raises ShapeError, DTypeError as the op does, at the user's line.
    """
    key = None
    if not step.extra:
        key = (step.op, source.shape, source.dtype, memory, layout, *step.attrs.items())
        known = _known_steps.get(key)
        if known is not None:
            return known
    try:
        shape, dtype = step.op.infer(source, *step.extra, **step.attrs)
    except (ShapeError, DTypeError) as fault:
        raise error(type(fault), str(fault)) from None
    memory = memory or Layout(contiguous_strides(source.shape), 0)
    layout = layout or step_layout(step, source.shape, memory, shape)
    made = (step, shape, dtype, layout or Layout(contiguous_strides(shape), 0))
    if key is not None:
        if len(_known_steps) >= _MOST_STEPS:
            _known_steps.clear()
        _known_steps[key] = made
    return made


def step_layout(
    step: Step, shape: tuple[int, ...], layout: Layout, result: tuple[int, ...]
) -> Layout | None:
    """The layout after a step; None where the step does not keep to strided memory."""
    strides, offset = layout
    attrs = step.attrs
    if step.op is RESHAPE:
        new = reshaped_strides(shape, strides, result)
        return None if new is None else Layout(new, offset)
    if step.op is TRANSPOSE:
        return Layout(tuple([strides[axis] for axis in attrs["axes"]]), offset)
    if step.op is SLICE:
        moved = sum(a * s for a, s in zip(attrs["starts"], strides))
        return Layout(tuple([s * k for s, k in zip(strides, attrs["steps"])]), offset + moved)
    if step.op is BROADCAST:
        lead = len(result) - len(shape)
        kept = [s if n == m else 0 for s, n, m in zip(strides, shape, result[lead:])]
        return Layout((0,) * lead + tuple(kept), offset)
    if step.op is BITCAST:
        return layout
    return None


def write_back(step: Step, before: Any, value: Any) -> Any:
    """The value before a step, such that the step gives `value`.

    Raises RuntimeError where several elements of the view are one element of the base.
    """
    op, attrs = step.op, step.attrs
    if op is RESHAPE:
        return RESHAPE(value, shape=before.shape)
    if op is TRANSPOSE:
        return TRANSPOSE(value, axes=inverse_permutation(attrs["axes"]))
    if op is SLICE:
        return UPDATE_SLICE(before, value, **attrs)
    if op is FLIP:
        return FLIP(value, **attrs)
    if op is BITCAST:
        return BITCAST(value, dtype=before.dtype)
    if op is TAKE:
        if _stands_still(step.extra[0].value):
            raise error(RuntimeError, EXPANDED)
        return PUT_AT(before, *step.extra, value, **attrs)
    if op is BROADCAST and 0 in value.shape:
        return before
    if op is BROADCAST and math.prod(before.shape) == math.prod(value.shape):
        return RESHAPE(value, shape=before.shape)  # new axes of extent 1 alone
    raise error(RuntimeError, EXPANDED)


def until_taken(steps: tuple[Step, ...]) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """The steps of a view, and apart those from a gather or an expansion on that others follow:
    several elements of what it gives may be one of the base, and only those that the view sees are
    to be written."""
    several = (i for i, step in enumerate(steps) if step.op in (TAKE, BROADCAST))
    first = next(several, len(steps))
    return (steps[:first], steps[first:]) if len(steps) > first + 1 else (steps, ())


def write_taken(steps: tuple[Step, ...], before: Any, value: Any) -> Any:
    """The value before steps that begin with a gather or an expansion, such that they give `value`.

    Raises RuntimeError where the view shows an element several times because of an expansion or of
    a stride of 0.
    """
    count = elements(before.shape)
    places = np.arange(count, dtype=np.int64).reshape(before.shape)
    # Elements read as others of their size stay where they are.
    moves = tuple([step for step in steps if step.op is not BITCAST])
    seen = np.array(apply_to_array(places, moves), order="C")
    expands = any(step.op is BROADCAST for step in steps)
    if _stands_still(seen) or (expands and np.unique(seen).size < seen.size):
        raise error(RuntimeError, EXPANDED)
    if value.dtype is not before.dtype:
        value = BITCAST(value, dtype=before.dtype)
    index = leaf(seen, seen.shape, int64)
    flat = PUT_AT(RESHAPE(before, shape=(count,)), index, value, axis=0)
    return RESHAPE(flat, shape=before.shape)


def _stands_still(places: np.ndarray) -> bool:
    """Whether places are the same all along an axis, as with a stride of 0. (Others that come
    twice, as those of overlapping windows, may be written: PyTorch does not look for them.)"""
    return places.size > 0 and any(
        n > 1 and bool((places == places.take([0], axis)).all())
        for axis, n in enumerate(places.shape)
    )


def strided_positions(shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> np.ndarray:
    """The flat storage position of each element of a strided view."""
    positions = np.full(shape, offset, np.int64)
    for axis, (extent, stride) in enumerate(zip(shape, strides)):
        line = np.arange(extent, dtype=np.int64) * stride
        positions += line.reshape((extent,) + (1,) * (len(shape) - axis - 1))
    return positions


def apply_to_array(array: np.ndarray, steps: tuple[Step, ...]) -> np.ndarray:
    """The view of an array; shares its memory wherever NumPy can."""
    for step in steps:
        reference = step.op.reference
        assert reference is not None
        array = reference(array, *[node.value for node in step.extra], **step.attrs)
    return array


def elements_at(shape: tuple[int, ...], memory: Layout, positions: np.ndarray) -> np.ndarray:
    """Which elements of a tensor, row-major, lie at these positions of its memory."""
    if memory == Layout(contiguous_strides(shape), 0):
        return positions
    found = np.full(storage_size(shape, memory), -1, np.int64)
    found[strided_positions(shape, *memory).reshape(-1)] = np.arange(elements(shape))
    if (found[positions] < 0).any():
        raise error(
            NotImplementedError,
            f"as_strided: memory between the elements of a tensor of NumPy's (shape {list(shape)}, "
            f"strides {list(memory.strides)}) is not built in Plait yet",
        )
    return found[positions]


def storage_size(shape: tuple[int, ...], layout: Layout) -> int:
    """How many elements of storage a layout reaches."""
    if elements(shape) == 0:
        return layout.offset
    return layout.offset + sum((n - 1) * s for n, s in zip(shape, layout.strides)) + 1
