"""Joining and repeating: cat, stack, tile, meshgrid and their relatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plait._functions.common import public, shape_argument
from plait._functions.creation import common_dtype
from plait._functions.shape import expand, reshape, unsqueeze
from plait._tensor import Tensor
from plait.core.functional.axes import normal_axis
from plait.core.functional.broadcasting import broadcast_shapes
from plait.core.ir.errors import error
from plait.core.lazy.replay.function import one_step
from plait.core.ops.elementwise import cast
from plait.core.ops.view import CONCAT, slice_axis


def _tensor_list(name: str, tensors: Any) -> list[Tensor]:
    if isinstance(tensors, Tensor):
        raise error(
            TypeError,
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor",
        )
    found = list(tensors)
    if not found:
        kind = ValueError if name == "cat" else RuntimeError  # as PyTorch has it
        raise error(kind, f"{name}(): expected a non-empty list of Tensors")
    for i, x in enumerate(found):
        if not isinstance(x, Tensor):
            raise error(
                TypeError,
                f"expected Tensor as element {i} in argument 0 of {name}, but got "
                f"{type(x).__name__}",
            )
    return found


@public(method=False, names=("concat", "concatenate"))
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join along an existing axis; dtypes are promoted. Empty 1-D tensors are skipped."""
    found = _tensor_list("cat", tensors)
    return (_joined_at_once if len(found) <= _MOST_AT_ONCE else _joined)(dim, *found)


def _joined(dim: int, *found: Tensor) -> Tensor:
    dtype = common_dtype(found)
    kept = [x for x in found if x._shape != (0,)] or found[:1]
    first = kept[0]
    if first.ndim == 0:
        raise error(
            RuntimeError, "zero-dimensional tensor (at position 0) cannot be concatenated in cat"
        )
    axis = normal_axis(dim, first.ndim, "cat")
    for i, x in enumerate(kept):
        if x.ndim != first.ndim:
            raise error(
                RuntimeError,
                f"Tensors must have same number of dimensions: got {first.ndim} and {x.ndim} in "
                f"cat: shapes {list(first._shape)} and {list(x._shape)}",
            )
        for place, (n, m) in enumerate(zip(x._shape, first._shape)):
            if n != m and place != axis:
                raise error(
                    RuntimeError,
                    f"Sizes of tensors must match except in dimension {axis}. Expected size {m} "
                    f"but got size {n} for tensor number {i} in the list. (cat received "
                    f"{', '.join(str(list(t._shape)) for t in kept)})",
                )
    return CONCAT(*[cast(x, dtype) for x in kept], axis=axis)


#: The same as one step of replay, which compares each tensor with every other.
_joined_at_once = one_step(_joined)
_MOST_AT_ONCE = 64


@public(method=False)
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join along a new axis."""
    found = _tensor_list("stack", tensors)
    axis = normal_axis(dim, found[0].ndim + 1, "stack")
    for i, x in enumerate(found):
        if x._shape != found[0]._shape:
            raise error(
                RuntimeError,
                f"stack expects each tensor to be equal size, but got {list(found[0]._shape)} at "
                f"entry 0 and {list(x._shape)} at entry {i}",
            )
    return cat([unsqueeze(x, axis) for x in found], axis)


def _stack_as(name: str, rank: int, axis: int) -> Any:
    def join(tensors: Sequence[Tensor]) -> Tensor:
        found = []
        for x in _tensor_list(name, tensors):
            while x.ndim < rank:
                x = unsqueeze(x, 0 if x.ndim == 0 or axis == 0 or rank == 2 else -1)
            found.append(x)
        return cat(found, 0 if name == "hstack" and found[0].ndim == 1 else axis)

    join.__name__ = name
    join.__doc__ = f"Join along axis {axis}, after bringing every tensor to {rank} axes."
    return public(join, method=False)


hstack = _stack_as("hstack", 1, 1)
vstack = _stack_as("vstack", 2, 0)
row_stack = _stack_as("row_stack", 2, 0)


@public(method=False)
def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along the third axis."""
    found = []
    for x in _tensor_list("dstack", tensors):
        if x.ndim < 2:
            x = reshape(x, (1, -1))
        found.append(unsqueeze(x, -1) if x.ndim == 2 else x)
    return cat(found, 2)


@public(method=False)
def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Join vectors as columns."""
    found = [
        reshape(x, (-1, 1)) if x.ndim < 2 else x for x in _tensor_list("column_stack", tensors)
    ]
    return cat(found, 1)


@public
def repeat(input: Tensor, *repeats: Any, **kwargs: Any) -> Tensor:
    """Copies side by side along each axis; leading axes may be added."""
    times = shape_argument("repeat", repeats or (kwargs.get("repeats", ()),))
    if len(times) < input.ndim:
        raise error(
            RuntimeError,
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            f"tensor: {list(times)} for shape {list(input._shape)}",
        )
    lead = len(times) - input.ndim
    shape = (1,) * lead + tuple(input._shape)
    doubled = [part for n in shape for part in (1, n)]
    spread = [part for n, k in zip(shape, times) for part in (k, n)]
    return reshape(
        expand(reshape(input, doubled), spread).clone(), [n * k for n, k in zip(shape, times)]
    )


@public
def tile(input: Tensor, *dims: Any, **kwargs: Any) -> Tensor:
    """`repeat` with missing leading counts taken as 1."""
    times = shape_argument("tile", dims or (kwargs.get("dims", ()),))
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


@public
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element `repeats` times in a row, along one axis (flattened without one)."""
    import numpy as np

    from plait._functions.creation import owned
    from plait._functions.gathering import index_select

    if repeats is None:
        counts = input.compute()
        return owned(np.repeat(np.arange(len(counts), dtype=np.int64), counts))
    if dim is None:
        input, dim = reshape(input, -1), 0
    axis = normal_axis(dim, input.ndim, "repeat_interleave")
    times = repeats.compute() if isinstance(repeats, Tensor) else repeats
    places = np.repeat(np.arange(input._shape[axis], dtype=np.int64), times)
    return index_select(input, axis, owned(places))


@public
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Shift along axes, what leaves one end enters at the other."""
    if dims is None:
        flat = roll(reshape(input, -1), shifts, 0)
        return reshape(flat, input._shape)
    steps = [shifts] if isinstance(shifts, int) else list(shifts)
    axes = [dims] if isinstance(dims, int) else list(dims)
    if len(steps) != len(axes):
        raise error(
            RuntimeError,
            f"shifts and dimensions must align. shifts: {len(steps)}, dims:{len(axes)}",
        )
    result: Any = input
    for step, dim in zip(steps, axes):
        axis = normal_axis(dim, input.ndim, "roll")
        extent = input._shape[axis]
        cut = (-step) % extent if extent else 0
        if cut:
            result = CONCAT(
                slice_axis(result, axis, cut, extent), slice_axis(result, axis, 0, cut), axis=axis
            )
    return result if result is not input else input.clone()


@public
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Rotate by k quarter turns in the plane of two axes."""
    from plait._functions.shape import flip, transpose

    if len(dims) != 2:
        raise error(RuntimeError, f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise error(RuntimeError, f"expected total dims >= 2, but got total dims = {input.ndim}")
    a, b = dims
    if (a - b) % input.ndim == 0:
        raise error(
            RuntimeError,
            f"expected rotation dims to be different, but got dim0 = {a} and dim1 = {b}",
        )
    turns = k % 4
    if turns == 0:
        return input.clone()
    if turns == 2:
        return flip(flip(input, a), b)
    if turns == 1:
        return transpose(flip(input, b), a, b)
    return flip(transpose(input, a, b), b)


@public(method=False)
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Coordinate grids of 1-D tensors; indexing "ij" (default) or "xy"."""
    found = (
        list(tensors[0])
        if len(tensors) == 1 and not isinstance(tensors[0], Tensor)
        else list(tensors)
    )
    if indexing not in (None, "ij", "xy"):
        raise error(
            RuntimeError,
            f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}',
        )
    swap = indexing == "xy" and len(found) > 1
    if swap:
        found[0], found[1] = found[1], found[0]
    shape = tuple([x.numel() for x in found])
    grids = [
        expand(reshape(x, [-1 if i == axis else 1 for i in range(len(found))]), shape)
        for axis, x in enumerate(found)
    ]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


@public(method=False)
def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of elements, one per row."""
    if len(tensors) == 1:
        return tensors[0]
    grids = meshgrid(*tensors, indexing="ij")
    return stack([reshape(g, -1) for g in grids], 1)


@public(method=False)
def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All tensors expanded to their common shape."""
    shape = broadcast_shapes("broadcast_tensors", *[x._shape for x in tensors])
    return tuple([expand(x, shape) for x in tensors])


@public(method=False)
def block_diag(*tensors: Tensor) -> Tensor:
    """Matrices along the diagonal of a larger one."""
    from plait._functions.creation import zeros

    parts = [reshape(x, (1, -1)) if x.ndim < 2 else x for x in tensors]
    rows, columns = sum(p._shape[0] for p in parts), sum(p._shape[1] for p in parts)
    result = zeros(rows, columns, dtype=common_dtype(parts))
    row = column = 0
    for part in parts:
        height, width = part._shape
        result[row : row + height, column : column + width] = part
        row, column = row + height, column + width
    return result
