"""Indexing as NumPy and PyTorch define it: reading, and writing by assignment.

Integers, slices, Ellipsis, None and booleans-as-scalars make views; integer tensors and masks
gather. A mask's true positions are read when the expression is recorded.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from plait._functions.common import attach, public
from plait._functions.creation import as_tensor
from plait._functions.shape import select, slice_along, unsqueeze
from plait._tensor import Tensor
from plait.core.functional.broadcasting import broadcast_shapes
from plait.core.functional.numbers import fitting_number
from plait.core.ir import dtypes
from plait.core.ir.errors import ShapeError, error
from plait.core.lazy.cell import leaf_of
from plait.core.lazy.known_views import view_of
from plait.core.lazy.modes import modes
from plait.core.ops import elementwise as prim
from plait.core.ops.elementwise import cast
from plait.core.ops.index import ADD_AT, CHECK_INDEX, PUT_AT, TAKE
from plait.core.ops.source import full
from plait.core.ops.view import RESHAPE, broadcast, inverse_permutation, reshape, transpose


class Gather(NamedTuple):
    """Integer index arrays on some axes of the view taken first: {axis: index tensor}."""

    axes: tuple[int, ...]
    indices: tuple[Any, ...]


def _as_index(item: Any) -> Any:
    """One entry of an index expression in canonical form."""
    if isinstance(item, (slice, type(None), type(Ellipsis), bool)):
        return item
    if isinstance(item, Tensor):
        if item.dtype.kind == "f":
            raise error(
                IndexError,
                "tensors used as indices must be long, int, byte or bool tensors, received "
                f"{item.dtype} as an index",
            )
        if item.ndim == 0:
            is_mask = item.dtype in (dtypes.bool_, dtypes.uint8)
            return bool(item.item()) if is_mask else int(item.item())
        return item
    if hasattr(item, "__index__") and not isinstance(item, np.ndarray):
        return item.__index__()
    if isinstance(item, (list, tuple, np.ndarray, range)):
        found = as_tensor(item)
        return found.to(dtypes.int64) if found.numel() == 0 and found.dtype.kind == "f" else found
    raise error(
        # As PyTorch has it: names are no indices at all, other objects are bad ones.
        TypeError if isinstance(item, (str, bytes, dict)) else IndexError,
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
        f"indices (got {type(item).__name__})",
    )


def _consumed(item: Any) -> int:
    """How many axes of the tensor an entry stands for."""
    if item is None or isinstance(item, bool):
        return 0
    if isinstance(item, Tensor) and item.dtype in (dtypes.bool_, dtypes.uint8):
        return item.ndim
    return 1


#: A list that holds one of these (and is short) is read as a tuple of entries, as PyTorch does.
_ENTRIES = (slice, type(None), type(Ellipsis), list, tuple, range, Tensor, np.ndarray)


def _expanded(key: Any, rank: int, shape: tuple[int, ...]) -> list[Any]:
    """The entries of an index expression, the ellipsis replaced by full slices."""
    if isinstance(key, list) and len(key) < 32 and any(isinstance(k, _ENTRIES) for k in key):
        key = tuple(key)
    items = [_as_index(k) for k in (key if isinstance(key, tuple) else (key,))]
    used = sum(_consumed(item) for item in items if item is not Ellipsis)
    if used > rank:
        raise error(
            IndexError,
            f"too many indices for tensor of dimension {rank} (shape {list(shape)}, {used} given)",
        )
    if not any(item is Ellipsis for item in items):
        return items
    at = next(i for i, item in enumerate(items) if item is Ellipsis)
    tail = [slice(None) if item is Ellipsis else item for item in items[at + 1 :]]
    return [*items[:at], *[slice(None)] * (rank - used), *tail]


def _basic(tensor: Tensor, items: list[Any]) -> tuple[Tensor, Gather]:
    """Take the view that the simple entries ask for; what is left are index arrays."""
    axis = 0
    axes: list[int] = []
    indices: list[Any] = []
    for item in items:
        if item is None:
            tensor = unsqueeze(tensor, axis)
            axis += 1
        elif isinstance(item, bool):
            tensor = unsqueeze(tensor, axis)
            axes.append(axis)
            indices.append(leaf_of(np.zeros(1 if item else 0, np.int64)))
            axis += 1
        elif isinstance(item, int):
            tensor = _select(tensor, axis, item)
        elif isinstance(item, slice):
            tensor = _slice(tensor, axis, item)
            axis += 1
        elif item.dtype in (dtypes.bool_, dtypes.uint8):
            for found in _mask_positions(item, tensor, axis):
                axes.append(axis)
                indices.append(leaf_of(found))
                axis += 1
        else:
            checked = _checked(item, tensor._shape[axis], axis)
            axes.append(axis)
            indices.append(checked)
            axis += 1
    return tensor, Gather(tuple(axes), tuple(indices))


def _select(tensor: Tensor, axis: int, place: int) -> Tensor:
    extent = tensor._shape[axis]
    if not -extent <= place < extent:
        raise error(
            IndexError,
            f"index {place} is out of bounds for dimension {axis} with size {extent} (tensor of "
            f"shape {list(tensor._shape)})",
        )
    return select(tensor, axis, place)


def _slice(tensor: Tensor, axis: int, item: slice) -> Tensor:
    step = 1 if item.step is None else int(item.step)
    if step <= 0:
        raise error(ValueError, f"slice step must be greater than zero, received {step}")
    extent = tensor._shape[axis]
    bounds = slice(
        None if item.start is None else int(item.start),
        None if item.stop is None else int(item.stop),
    )
    start, stop, _ = bounds.indices(extent)
    stop = max(start, stop)
    if start == 0 and stop == extent and step == 1:
        return tensor
    return slice_along(tensor, axis, start, stop, step)


def _mask_positions(mask: Tensor, tensor: Tensor, axis: int) -> tuple[np.ndarray, ...]:
    """The true positions of a mask; they must be known now, so the mask is computed."""
    for i, extent in enumerate(mask._shape):
        if tensor._shape[axis + i] != extent:
            raise error(
                IndexError,
                f"The shape of the mask {list(mask._shape)} at index {i} does not match the shape "
                f"of the indexed tensor {list(tensor._shape)} at index {axis + i}",
            )
    return tuple(found.astype(np.int64) for found in np.nonzero(mask.compute()))


def _checked(index: Tensor, extent: int, axis: int) -> Any:
    """Index values in range and non-negative."""
    return CHECK_INDEX(index.detached(), size=extent, what=f"dimension {axis}", caller="indexing")


def _joined(view: Tensor, gather: Gather) -> tuple[Any, Any, tuple[int, ...], int, int]:
    """One flat index over the indexed axes, moved side by side.

    Returns (value with the indexed axes merged into one, flat index, axis order, place of the
    merged axis, place in the result where the index shape goes).
    """
    axes, indices = gather
    first = axes[0]
    adjacent = axes == tuple(range(first, first + len(axes)))
    rest = tuple([i for i in range(view.ndim) if i not in axes])
    place = first if adjacent else 0
    order = rest[:place] + axes + rest[place:]
    try:
        shape = broadcast_shapes("indexing", *[i.shape for i in indices])
    except ShapeError:
        shapes = ", ".join(str(list(i.shape)) for i in indices)
        raise error(
            IndexError,
            f"shape mismatch: indexing tensors could not be broadcast together with shapes "
            f"{shapes}",
        ) from None
    extents = [view._shape[axis] for axis in axes]
    flat: Any = None
    for index, extent in zip(indices, extents):
        index = broadcast(index, shape)
        if flat is None:
            flat = index
        else:
            scaled = prim.MUL(flat, full(extent, shape, dtypes.int64))
            flat = prim.ADD(scaled, index)
    return shape, flat, order, place, len(axes)


def _merge(value: Any, order: tuple[int, ...], place: int, count: int) -> Any:
    moved = transpose(value, order)
    merged = 1
    for extent in moved.shape[place : place + count]:
        merged *= extent
    return reshape(moved, (*moved.shape[:place], merged, *moved.shape[place + count :]))


def get_item(tensor: Tensor, key: Any) -> Tensor:
    """tensor[key]: a view for simple keys, a copy where index arrays take part."""
    simple = _simple(key)
    if simple is not None:
        return view_of(tensor, get_item, simple, lambda: _item(tensor, key))
    return _item(tensor, key)


_BOUNDS = {int, type(None)}


def _simple(key: Any) -> tuple | None:
    """A key of ints, slices of ints, Ellipsis and None, as one that has a hash; None for others."""
    found: list[Any] = []
    for item in key if type(key) is tuple else (key,):
        if type(item) is slice:
            bounds = (item.start, item.stop, item.step)
            if not {*map(type, bounds)} <= _BOUNDS:
                return None
            found.append(bounds)
        elif type(item) is int or item is None or item is Ellipsis:
            found.append(item)
        else:
            return None
    return tuple(found)


def _item(tensor: Tensor, key: Any) -> Tensor:
    items = _expanded(key, tensor.ndim, tensor._shape)
    view, gather = _basic(tensor, items)
    if not gather.axes:
        if view is tensor:
            return tensor.view_through(RESHAPE, layout=tensor.memory(), shape=tensor._shape)
        return view
    _, flat, order, place, count = _joined(view, gather)
    return TAKE(_merge(view, order, place, count), flat, axis=place)


def set_item(tensor: Tensor, key: Any, value: Any) -> None:
    """tensor[key] = value, broadcast to the place it is written to."""
    items = _expanded(key, tensor.ndim, tensor._shape)
    view, gather = _basic(tensor, items)
    put(tensor, view, gather, value, accumulate=False)


def put(tensor: Tensor, view: Tensor, gather: Gather, value: Any, accumulate: bool) -> None:
    """Write a value where a view and index arrays point to."""
    if not gather.axes:
        target = view
        written = _value_for(value, tensor, target._shape)
        target.assign(prim.ADD(target, written) if accumulate else written)
        return
    shape, flat, order, place, count = _joined(view, gather)
    merged = _merge(view, order, place, count)
    wanted = (*merged.shape[:place], *shape, *merged.shape[place + 1 :])
    written = _value_for(value, tensor, wanted)
    op = ADD_AT if accumulate else PUT_AT
    updated = op(merged, flat, written, axis=place)
    moved = reshape(updated, tuple([view._shape[axis] for axis in order]))
    view.assign(transpose(moved, inverse_permutation(order)))


def _value_for(value: Any, tensor: Tensor, shape: tuple[int, ...]) -> Any:
    """The value to write: cast to the tensor's dtype, broadcast to the place."""
    if isinstance(value, (bool, int, float, complex)):
        # Into 16-bit floats PyTorch rounds what lies beyond them, to infinity.
        halves = tensor.dtype.kind == "f" and tensor.dtype.itemsize == 2
        value = fitting_number(value, dtypes.float64 if halves else tensor.dtype)
        return full(value, shape, tensor.dtype)
    if not isinstance(value, Tensor):
        value = as_tensor(value)
    value = cast(value, tensor.dtype)
    # Leading axes of extent 1 may be more than the place has, as in NumPy.
    while len(value.shape) > len(shape) and value.shape[0] == 1:
        value = reshape(value, value.shape[1:])
    if len(value.shape) > len(shape) or any(
        n not in (1, m) for n, m in zip(reversed(value.shape), reversed(shape))
    ):
        raise error(
            RuntimeError,
            f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to "
            f"indexing result of shape {list(shape)}",
        )
    return broadcast(value, shape)


@public(inplace=True)
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with values written (or added) where index tensors point to."""
    result = input.clone()
    items = _expanded(tuple(indices), input.ndim, input._shape)
    view, gather = _basic(result, items)
    put(result, view, gather, values, accumulate)
    return result


@public
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The positions of the elements that are not 0: (count, ndim), or one tensor per axis."""
    found = np.nonzero(np.atleast_1d(input.compute()))
    if as_tuple:
        return tuple([Tensor.of_node(leaf_of(axis.astype(np.int64))) for axis in found])
    if input.ndim == 0:
        rows = np.empty((len(found[0]), 0), np.int64)
    else:
        rows = np.ascontiguousarray(np.stack(found, axis=1).astype(np.int64))
    return Tensor.of_node(leaf_of(rows))


@public
def argwhere(input: Tensor) -> Tensor:
    """The positions of the elements that are not 0."""
    return nonzero(input)


@public
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where a mask holds, in row-major order."""
    shape = broadcast_shapes("masked_select", input._shape, mask._shape)
    return get_item(input.expand(shape), mask.expand(shape))


@public(inplace=True)
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """A copy with `value` where a mask holds."""
    if mask.dtype is not dtypes.bool_:
        raise error(
            RuntimeError,
            f"masked_fill_ only supports boolean masks, but got mask with dtype {mask.dtype}",
        )
    if isinstance(value, Tensor) and value.ndim:
        raise error(
            RuntimeError,
            "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.ndim} dimension(s).",
        )
    if isinstance(value, Tensor) and value.dtype.is_complex and not input.dtype.is_complex:
        raise error(
            RuntimeError, f"value cannot be converted to type {input.dtype} without overflow"
        )
    shape = broadcast_shapes("masked_fill", input._shape, mask._shape)
    filler = (
        broadcast(cast(value, input.dtype), shape)
        if isinstance(value, Tensor)
        else full(fitting_number(value, input.dtype), shape, input.dtype)
    )
    return prim.WHERE(broadcast(mask, shape), filler, broadcast(input, shape))


@public(inplace=True)
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy with the elements of `source`, in order, where a mask holds."""
    if mask.dtype is not dtypes.bool_:
        raise error(
            RuntimeError,
            f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype}",
        )
    shape = broadcast_shapes("masked_scatter", input._shape, mask._shape)
    places = np.flatnonzero(np.broadcast_to(mask.compute(), shape)).astype(np.int64)
    flat = reshape(broadcast(input, shape), (int(np.prod(shape)),))
    taken = reshape(source, (source.numel(),))[: len(places)]
    return reshape(PUT_AT(flat, leaf_of(places), taken, axis=0), shape)


def _delete(tensor: Tensor, key: Any) -> None:
    """del tensor[key]: not possible."""
    raise error(TypeError, "Tensor does not support deleting items")


attach(__delitem__=_delete, __getitem__=get_item, __setitem__=set_item)


def _fill_(self: Tensor, value: Any) -> Tensor:
    """Write one value into every place, of expanded tensors too where it is not recorded: the
    gradient of that PyTorch refuses."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise error(
                RuntimeError,
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} "
                "dimensions.",
            )
        return self.copy_(value)
    places: Any = self
    if self._layout is not None and not (modes.grad_enabled and self.requires_grad):
        for axis, step in enumerate(self.memory().strides):
            if step == 0:  # one element of the memory, however often it is seen
                places = slice_along(places, axis, 0, min(1, self._shape[axis]), 1)
    places.assign(full(fitting_number(value, self.dtype), places._shape, self.dtype))
    return self


def _zero_(self: Tensor) -> Tensor:
    """Write 0 into every place."""
    return _fill_(self, 0)


attach(fill_=_fill_, zero_=_zero_)
