"""Python's indexing of tensors, and the slices and gathers that TensorFlow has as functions."""

from __future__ import annotations

from typing import Any

import numpy as np

import plait
from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._convert import convert, inner, ints, known, one_axis, wrap
from plait.tf._dispatch import op
from plait.tf._dtypes import string
from plait.tf._shape import TensorSpec
from plait.tf._tensor import Tensor, of_array

_VALID = (
    "Only integers, slices (`:`), ellipsis (`...`), tf.newaxis (`None`) and scalar "
    "tf.int32/tf.int64 tensors are valid indices, got "
)


@op
def getitem(tensor: Any, key: Any) -> Any:
    """A part of a tensor by integers, slices, None and `...`; masks of bools pick elements."""
    value = convert(tensor)
    if _is_mask(key):
        return boolean_mask(value, key)
    keys = tuple([_plain_key(k) for k in (key if isinstance(key, tuple) else (key,))])
    _check(keys, value._inner.shape)
    if value.dtype is string:
        picked = value._array()[keys]
        if not isinstance(picked, np.ndarray):
            picked = _scalar(picked)
        return of_array(picked.copy())
    return wrap(_taken(value.inner(), keys))


def _scalar(item: Any) -> np.ndarray:
    made = np.empty((), object)
    made[()] = item
    return made


def _taken(value: Any, keys: tuple[Any, ...]) -> Any:
    """Basic indexing of the core's tensor; negative steps, which its slices lack, by flips."""
    if any(isinstance(k, slice) and k.step is not None and k.step < 0 for k in keys):
        value, keys = _without_negative_steps(value, keys)
    return plait.clone(value[keys]) if keys else value


def _without_negative_steps(value: Any, keys: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    given = sum(k is not None and k is not Ellipsis for k in keys)
    made: list[Any] = []
    axis = 0
    for k in keys:
        if k is None:
            made.append(k)
            continue
        if k is Ellipsis:
            made.append(k)
            axis += value.ndim - given
            continue
        if isinstance(k, slice) and k.step is not None and k.step < 0:
            extent = value.shape[axis]
            places = range(extent)[k]
            value = plait.flip(value, (axis,))
            if len(places):
                first = extent - 1 - places[0]
                k = slice(first, first + (len(places) - 1) * -k.step + 1, -k.step)
            else:
                k = slice(0, 0)
        made.append(k)
        axis += 1
    return value, tuple(made)


def _is_mask(key: Any) -> bool:
    if isinstance(key, (Tensor, np.ndarray)):
        return len(key.shape) > 0 and getattr(key.dtype, "name", "") == "bool"
    return False


def _plain_key(key: Any) -> Any:
    if key is None or key is Ellipsis:
        return key
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        return int(key)
    if isinstance(key, slice):
        return slice(*(_bound(b) for b in (key.start, key.stop, key.step)))
    held = key
    if hasattr(held, "_as_tf_tensor") or isinstance(held, Tensor):
        held = convert(held)
        if held.shape.rank == 0 and held.dtype.is_integer:
            return int(held)
    elif isinstance(held, np.ndarray) and held.ndim == 0 and held.dtype.kind in "iu":
        return int(held)
    raise error(TypeError, f"{_VALID}{key!r}")


def core_key(key: Any) -> Any:
    """An index of a variable as the core's tensors take it."""
    if _is_mask(key):
        return inner(key)
    return tuple([_plain_key(k) for k in (key if isinstance(key, tuple) else (key,))])


def _bound(value: Any) -> int | None:
    return None if value is None else int(value)


def _check(keys: tuple[Any, ...], shape: tuple[int, ...]) -> None:
    """Raises InvalidArgumentError for more axes than there are, or a place that is not there."""
    given = sum(k is not None and k is not Ellipsis for k in keys)
    if given > len(shape):
        raise error(
            errors.InvalidArgumentError,
            f"Index out of range using input dim {len(shape)}; input has only {len(shape)} dims "
            "[Op:StridedSlice]",
        )
    axis = 0
    for k in keys:
        if k is Ellipsis:
            axis += len(shape) - given
        elif k is not None:
            if isinstance(k, int) and not -shape[axis] <= k < shape[axis]:
                raise error(
                    errors.InvalidArgumentError,
                    f"slice index {k} of dimension {axis} out of bounds. [Op:StridedSlice]",
                )
            axis += 1


@op
def boolean_mask(tensor: Any, mask: Any, axis: Any = None) -> Any:
    """The elements (rows, ...) where the mask is True."""
    value = convert(tensor)
    test = convert(mask)
    start = 0 if axis is None else one_axis(axis, value.shape.rank or 0, "boolean_mask")
    wanted = value._inner.shape[start : start + test.ndim]
    if test.ndim == 0:
        raise error(ValueError, "mask cannot be scalar.")
    if tuple(wanted) != tuple(test._inner.shape):
        raise error(ValueError, f"Shapes {tuple(wanted)} and {test.shape} are incompatible")
    flags = test._array()
    if value.dtype is string:
        return of_array(value._array()[(slice(None),) * start + (flags,)])
    places = np.flatnonzero(flags)
    held = value.inner()
    shape = held.shape
    flat = held.reshape((*shape[:start], flags.size, *shape[start + test.ndim :]))
    return wrap(plait.index_select(flat, start, plait.from_numpy(places)))


@op
def slice_(input_: Any, begin: Any, size: Any) -> Any:
    """The block of extents `size` (-1: all that is left) from `begin` on."""
    value = convert(input_)
    starts, sizes = ints(begin), ints(size)
    shape = value._inner.shape
    keys = []
    for axis, (start, extent) in enumerate(zip(starts, sizes)):
        stop = shape[axis] if extent == -1 else start + extent
        if start < 0 or stop > shape[axis] or stop < start:
            raise error(
                errors.InvalidArgumentError,
                f"Expected begin[{axis}] in [0, {shape[axis]}] and size[{axis}] in [0, "
                f"{shape[axis] - start}], but got {start} and {extent} [Op:Slice]",
            )
        keys.append(slice(start, stop))
    if value.dtype is string:
        return of_array(value._array()[tuple(keys)].copy())
    return wrap(_taken(value.inner(), tuple(keys)))


def _slice_spec(input_: Any, begin: Any, size: Any) -> TensorSpec:
    """The shape of a block whose bounds a graph knows in part. LookupError where it knows all."""
    from plait.tf._graph import Symbol

    def known(bounds: Any, rank: int) -> list[int | None]:
        if isinstance(bounds, Symbol):
            return [None] * rank
        parts = bounds if isinstance(bounds, (list, tuple)) else np.asarray(bounds).tolist()
        return [None if isinstance(part, Symbol) else int(part) for part in parts]

    value = convert(input_) if not isinstance(input_, Symbol) else input_
    rank = value.shape.rank
    if rank is None:
        raise LookupError
    starts, sizes = known(begin, rank), known(size, rank)
    if None not in (*starts, *sizes):
        raise LookupError
    extents: list[int | None] = []
    for whole, start, extent in zip(value.shape.as_list(), starts, sizes):
        if extent == -1:
            extent = None if whole is None or start is None else whole - start
        extents.append(extent)
    return TensorSpec(extents, value.dtype)


slice_.__dict__["infer"] = _slice_spec


@op
def strided_slice(
    input_: Any,
    begin: Any,
    end: Any,
    strides: Any = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
) -> Any:
    """Python's slicing, written as lists of bounds and bit masks."""
    starts, stops = ints(begin), ints(end)
    steps = ints(strides) if strides is not None else (1,) * len(starts)
    keys: list[Any] = []
    for place, (start, stop, step) in enumerate(zip(starts, stops, steps)):
        bit = 1 << place
        if ellipsis_mask & bit:
            keys.append(Ellipsis)
        elif new_axis_mask & bit:
            keys.append(None)
        elif shrink_axis_mask & bit:
            keys.append(start)
        else:
            first = None if begin_mask & bit else start
            keys.append(slice(first, None if end_mask & bit else stop, step))
    return getitem(input_, tuple(keys))


def _within(name: str, places: Any, extent: int) -> None:
    """Raises InvalidArgumentError for an index that is not there, if the places are known now;
    else the core finds it when it computes them."""
    array = known(places)
    if array is None:
        return
    if array.size and (array.min() < 0 or array.max() >= extent):
        bad = array[(array < 0) | (array >= extent)].reshape(-1)[0]
        raise error(
            errors.InvalidArgumentError, f"indices = {bad} is not in [0, {extent}) [Op:{name}]"
        )


def _all_within(name: str, places: Any, shape: tuple[int, ...]) -> None:
    """As `_within`, for places that the last axis of `places` names."""
    array = known(places)
    if array is None or not array.size:
        return
    bad = ((array < 0) | (array >= np.array(shape[: array.shape[-1]]))).any(axis=-1)
    if bad.any():
        first = tuple(np.argwhere(bad)[0])
        raise error(
            errors.InvalidArgumentError,
            f"indices[{', '.join(map(str, first))}] = {array[first].tolist()} does not index into "
            f"param shape {list(shape)} [Op:{name}]",
        )


@op
def gather(
    params: Any, indices: Any, validate_indices: Any = None, axis: Any = None, batch_dims: int = 0
) -> Any:
    """The slices of `params` along an axis at the places in `indices`, in their shape."""
    value, places = convert(params), inner(indices)
    if places._dtype.kind not in "iu":
        raise error(
            errors.InvalidArgumentError,
            f"Value for attr 'Tindices' of {convert(indices).dtype.name} is not in the list of "
            "allowed values: int16, int32, int64 [Op:GatherV2]",
        )
    rank = value.ndim
    batch = batch_dims + places.ndim if batch_dims < 0 else batch_dims
    where = one_axis(batch if axis is None else axis, rank, "GatherV2")
    _within("GatherV2", places, value._inner.shape[where])
    if value.dtype is string:
        return of_array(np.take(value._array(), places.compute(), axis=where))
    return wrap(gathered(value.inner(), places.to(plait.int64), where, batch))


def gathered(value: Any, places: Any, axis: int, batch: int) -> Any:
    """The core of `gather`, for indices that are there."""
    if batch == 0:
        if axis == 0:
            return (
                plait.nn.functional.embedding(places, value)
                if value.ndim == 2
                else (
                    plait.index_select(value, 0, places.reshape(-1)).reshape(
                        (*places.shape, *value.shape[1:])
                    )
                )
            )
        picked = plait.index_select(value, axis, places.reshape(-1))
        return picked.reshape((*value.shape[:axis], *places.shape, *value.shape[axis + 1 :]))
    # One gather over flattened batches: the places of batch b are shifted by b * extent.
    leading = places.shape[:batch]
    count = int(np.prod(leading))
    order = [*range(batch), axis, *range(batch, axis), *range(axis + 1, value.ndim)]
    moved = value.permute(order)
    extent = moved.shape[batch]
    flat = moved.reshape((count * extent, *moved.shape[batch + 1 :]))
    inside = places.reshape((count, -1))
    shifted = inside + (plait.arange(count) * extent).reshape((count, 1))
    picked = plait.index_select(flat, 0, shifted.reshape(-1))
    rest = places.shape[batch:]
    picked = picked.reshape((*leading, *rest, *moved.shape[batch + 1 :]))
    before = axis - batch
    index_axes = range(batch, batch + len(rest))
    middle = range(batch + len(rest), batch + len(rest) + before)
    last = range(batch + len(rest) + before, picked.ndim)
    return picked.permute([*range(batch), *middle, *index_axes, *last])


@op
def gather_nd(params: Any, indices: Any, batch_dims: int = 0) -> Any:
    """The elements or slices of `params` at the places that the last axis of `indices` names."""
    value, places = convert(params), inner(indices)
    depth = places.shape[-1]
    if depth + batch_dims > value.ndim:
        raise error(
            errors.InvalidArgumentError,
            f"index innermost dimension length must be <= params rank; saw: {depth} vs. "
            f"{value.ndim} [Op:GatherNd]",
        )
    if batch_dims:
        shape = value._inner.shape
        batch = plait.meshgrid(*[plait.arange(n) for n in shape[:batch_dims]], indexing="ij")
        extra = [
            b.reshape(
                (*shape[:batch_dims], *(1,) * (places.ndim - 1 - batch_dims), 1)
            ).broadcast_to((*places.shape[:-1], 1))
            for b in batch
        ]
        places = plait.cat((*extra, places.to(plait.int64)), dim=-1)
        depth += batch_dims
    _all_within("GatherNd", places, value._inner.shape)
    if value.dtype is string:
        return of_array(value._array()[tuple(np.moveaxis(places.compute(), -1, 0))])
    held = value.inner()
    flat, linear = _linear(held, places)
    picked = plait.index_select(flat, 0, linear.reshape(-1))
    return wrap(picked.reshape((*places.shape[:-1], *held.shape[depth:])))


def _linear(held: Any, places: Any) -> tuple[Any, Any]:
    """`held` with the axes that `places` name made one, and the places along it."""
    depth = places.shape[-1]
    places = places.to(plait.int64)
    shape = held.shape
    steps = [int(np.prod(shape[a + 1 : depth])) for a in range(depth)]
    linear = plait.zeros(places.shape[:-1], dtype=plait.int64)
    for axis, step in enumerate(steps):
        linear = linear + places[..., axis] * step
    return held.reshape((int(np.prod(shape[:depth])), *shape[depth:])), linear


_COMBINE = {"update": None, "add": "sum", "sub": "sum", "max": "amax", "min": "amin"}


def scattered(held: Any, indices: Any, updates: Any, how: str) -> Any:
    """The core's tensor with updates put, added, ... at the places that `indices` name."""
    places = inner(indices)
    depth = places.shape[-1]
    new = updates
    wanted = (*places.shape[:-1], *held.shape[depth:])
    if tuple(new.shape) != wanted:
        if new.ndim:
            raise error(
                errors.InvalidArgumentError,
                f"Must have updates.shape = indices.shape[:-1] + params.shape[{depth}:], got "
                f"updates.shape {list(new.shape)}, expected {list(wanted)} [Op:ScatterNd]",
            )
        new = new.broadcast_to(wanted)
    _all_within("ScatterNd", places, held.shape)
    flat, linear = _linear(held, places)
    linear = linear.reshape(-1)
    rows = new.reshape((linear.shape[0], *held.shape[depth:]))
    if how == "sub":
        rows = -rows
    if _COMBINE[how] is None:
        made = plait.index_copy(flat, 0, linear, rows)
    elif how in ("add", "sub"):
        made = plait.index_add(flat, 0, linear, rows)
    else:
        made = plait.index_reduce(flat, 0, linear, rows, _COMBINE[how])
    return made.reshape(held.shape)


@op
def scatter_nd(indices: Any, updates: Any, shape: Any) -> Any:
    """Zeros of a shape with updates added at the places that `indices` name."""
    new = inner(updates)
    base = plait.zeros(ints(shape), dtype=new.dtype)
    return wrap(scattered(base, indices, new, "add"))


def _scatter(public: str, how: str) -> Any:
    def scatter(tensor: Any, indices: Any, updates: Any) -> Any:
        held = convert(tensor)
        return wrap(scattered(held.inner(), indices, inner(updates, held.dtype), how))

    scatter.__name__ = public
    scatter.__doc__ = f"A copy of a tensor with updates ({how}) at the places `indices` name."
    return op(scatter)


tensor_scatter_nd_update = _scatter("tensor_scatter_nd_update", "update")
tensor_scatter_nd_add = _scatter("tensor_scatter_nd_add", "add")
tensor_scatter_nd_sub = _scatter("tensor_scatter_nd_sub", "sub")
tensor_scatter_nd_max = _scatter("tensor_scatter_nd_max", "max")
tensor_scatter_nd_min = _scatter("tensor_scatter_nd_min", "min")


def _mask_spec(tensor: Any, mask: Any, axis: Any = None) -> Any:
    held, test = convert_shape(tensor), convert_shape(mask)
    start = int(axis or 0)
    shape = list(held.shape)
    return TensorSpec([*shape[:start], None, *shape[start + len(test.shape) :]], held.dtype)


def convert_shape(value: Any) -> Any:
    """What has the shape and dtype of a value: itself if it is a tensor."""
    return value if isinstance(value, Tensor) or hasattr(value, "_as_tf_tensor") else convert(value)


# How many there are depends on the values: a graph cannot know it.
boolean_mask.__dict__["infer"] = _mask_spec
