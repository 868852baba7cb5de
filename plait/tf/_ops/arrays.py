"""Shapes and arrangements: reshape, transpose, join, split, pad, sort, tile."""

from __future__ import annotations

import builtins
import math
from typing import Any, NamedTuple

import numpy as np

import plait
from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._convert import convert, core_dtype, inner, ints, one_axis, same, wrap
from plait.tf._dispatch import op
from plait.tf._dtypes import int32, string
from plait.tf._shape import TensorSpec
from plait.tf._tensor import Tensor, of_array


def _moved(value: Any, on_tensor: Any, on_array: Any) -> Any:
    """Apply a rearrangement to a tensor of numbers, or to one of strings."""
    tensor = convert(value)
    if tensor.dtype is string:
        return of_array(np.asarray(on_array(tensor._array()), object))
    return wrap(on_tensor(tensor.inner()))


@op
def shape(input: Any, out_type: Any = int32) -> Any:
    """The extents as a tensor."""
    return of_array(np.array(convert(input)._inner.shape, core_dtype(out_type).numpy))


@op
def shape_n(input: Any, out_type: Any = int32) -> Any:
    """The extents of several tensors."""
    return [shape(x, out_type) for x in input]


@op
def size(input: Any, out_type: Any = int32) -> Any:
    """The number of elements as a tensor."""
    return of_array(np.array(math.prod(convert(input)._inner.shape), core_dtype(out_type).numpy))


@op
def rank(input: Any) -> Any:
    """The number of axes as a tensor."""
    return of_array(np.array(convert(input).ndim, np.int32))


@op
def reshape(tensor: Any, shape: Any) -> Any:
    """The elements in row-major order in another shape; one extent may be -1."""
    wanted = ints(shape)
    value = convert(tensor)
    count = int(np.prod(value._inner.shape))
    known = int(np.prod([e for e in wanted if e != -1]))
    if wanted.count(-1) > 1:
        raise error(
            errors.InvalidArgumentError, "Only one input size may be -1, not both [Op:Reshape]"
        )
    if -1 in wanted:
        if known == 0 or count % known:
            raise error(
                errors.InvalidArgumentError,
                f"Input to reshape is a tensor with {count} values, but the requested shape "
                f"requires a multiple of {known} [Op:Reshape]",
            )
        wanted = tuple([count // known if e == -1 else e for e in wanted])
    elif known != count:
        raise error(
            errors.InvalidArgumentError,
            f"Input to reshape is a tensor with {count} values, but the requested shape has "
            f"{known} [Op:Reshape]",
        )
    return _moved(value, lambda x: plait.reshape(x, wanted), lambda a: a.reshape(wanted))


@op
def expand_dims(input: Any, axis: Any = None, dim: Any = None) -> Any:
    """A new axis of extent 1."""
    value = convert(input)
    (where,) = ints(dim if axis is None else axis)
    limit = value.ndim + 1
    if not -limit <= where < limit:
        raise error(
            errors.InvalidArgumentError,
            f"Tried to expand dim index {where} for tensor with {value.ndim} dimensions "
            "[Op:ExpandDims]",
        )
    return _moved(value, lambda x: x.unsqueeze(where), lambda a: np.expand_dims(a, where))


@op
def squeeze(input: Any, axis: Any = None, squeeze_dims: Any = None) -> Any:
    """Without axes of extent 1: all of them, or those named."""
    value = convert(input)
    extents = value._inner.shape
    given = axis if axis is not None else squeeze_dims
    if given is None or (isinstance(given, (list, tuple)) and not given):
        axes = tuple([a for a, e in enumerate(extents) if e == 1])
    else:
        axes = tuple([one_axis(a, len(extents), "Squeeze") for a in ints(given)])
    for a in axes:
        if extents[a] != 1:
            raise error(
                errors.InvalidArgumentError,
                f"Can not squeeze dim[{a}], expected a dimension of 1, got {extents[a]} "
                "[Op:Squeeze]",
            )
    kept = tuple([e for a, e in enumerate(extents) if a not in axes])
    return _moved(value, lambda x: plait.reshape(x, kept), lambda a: a.reshape(kept))


@op
def transpose(a: Any, perm: Any = None, conjugate: bool = False) -> Any:
    """The axes in another order; reversed by default."""
    value = convert(a)
    order = tuple(range(value.ndim))[::-1] if perm is None else ints(perm)
    if sorted(order) != list(range(value.ndim)):
        raise error(
            errors.InvalidArgumentError,
            f"transpose expects a vector of size {value.ndim}. But input(1) is {list(order)} "
            "[Op:Transpose]",
        )
    made = _moved(value, lambda x: x.permute(order), lambda x: x.transpose(order))
    if conjugate and made.dtype.is_complex:
        return wrap(plait.conj(made.inner()))
    return made


@op
def concat(values: Any, axis: Any) -> Any:
    """Tensors one after another along an axis."""
    if isinstance(values, Tensor):
        values = [values]
    tensors = [convert(v) for v in values]
    if not tensors:
        raise error(ValueError, "concat expects at least one tensor")
    if tensors[0].dtype is string:
        return of_array(np.concatenate([t._array() for t in tensors], axis=ints(axis)[0]))
    parts = same("ConcatV2", values)
    first = parts[0].shape
    where = one_axis(axis, len(first), "ConcatV2")
    for place, part in enumerate(parts):
        if part.ndim != len(first):
            raise error(
                errors.InvalidArgumentError,
                f"ConcatOp : Ranks of all input tensors should match: shape[0] = {list(first)} vs. "
                f"shape[{place}] = {list(part.shape)} [Op:ConcatV2]",
            )
        if [e for a, e in enumerate(part.shape) if a != where] != [
            e for a, e in enumerate(first) if a != where
        ]:
            raise error(
                errors.InvalidArgumentError,
                f"ConcatOp : Dimension {where} in both shapes must be equal: shape[0] = "
                f"{list(first)} vs. shape[{place}] = {list(part.shape)} [Op:ConcatV2]",
            )
    return wrap(plait.cat(parts, dim=where) if len(parts) > 1 else parts[0].clone())


@op
def stack(values: Any, axis: int = 0) -> Any:
    """Tensors of one shape along a new axis."""
    items = list(values) if not isinstance(values, Tensor) else unstack(values)
    tensors = [convert(v) for v in items]
    if tensors and tensors[0].dtype is string:
        return of_array(np.stack([t._array() for t in tensors], axis))
    parts = same("Pack", items)
    for part in parts:
        if part._shape != parts[0]._shape:
            raise error(
                errors.InvalidArgumentError,
                f"Shapes of all inputs must match: values[0].shape = {list(parts[0].shape)} != "
                f"{list(part.shape)} [Op:Pack]",
            )
    return wrap(plait.stack(parts, dim=axis))


@op
def unstack(value: Any, num: Any = None, axis: int = 0) -> Any:
    """The slices along an axis, as a list."""
    tensor = convert(value)
    where = one_axis(axis, tensor.ndim, "Unpack")
    if tensor.dtype is string:
        return [of_array(_as_object(part)) for part in np.moveaxis(tensor._array(), where, 0)]
    return [wrap(part.clone()) for part in plait.unbind(tensor.inner(), where)]


def _as_object(item: Any) -> np.ndarray:
    if isinstance(item, np.ndarray):
        return item.copy()
    made = np.empty((), object)
    made[()] = item
    return made


@op
def split(value: Any, num_or_size_splits: Any, axis: Any = 0, num: Any = None) -> Any:
    """Parts along an axis: a number of equal ones, or parts of given extents (one may be -1)."""
    tensor = convert(value)
    where = one_axis(axis, tensor.ndim, "Split")
    extent = tensor._inner.shape[where]
    if isinstance(num_or_size_splits, int) or convert(num_or_size_splits).ndim == 0:
        count = int(num_or_size_splits)
        if count <= 0 or extent % count:
            raise error(
                errors.InvalidArgumentError,
                "Number of ways to split should evenly divide the split dimension, but got "
                f"split_dim {where} (size = {extent}) and num_split {count} [Op:Split]",
            )
        sizes: builtins.tuple[int, ...] = (extent // count,) * count
    else:
        sizes = ints(num_or_size_splits)
        if -1 in sizes:
            rest = extent - sum(s for s in sizes if s != -1)
            sizes = tuple([rest if s == -1 else s for s in sizes])
        if sum(sizes) != extent:
            raise error(
                errors.InvalidArgumentError,
                "Determined shape must either match input shape along split_dim exactly if fully "
                f"specified: got sizes {list(sizes)} for extent {extent} [Op:SplitV]",
            )
    if tensor.dtype is string:
        cuts = np.cumsum(sizes)[:-1]
        return [of_array(part) for part in np.split(tensor._array(), cuts, axis=where)]
    return [wrap(part.clone()) for part in plait.split(tensor.inner(), list(sizes), dim=where)]


@op
def tile(input: Any, multiples: Any) -> Any:
    """The tensor repeated along each axis."""
    times = ints(multiples)
    value = convert(input)
    if len(times) != value.ndim:
        raise error(
            errors.InvalidArgumentError,
            f"Expected multiples argument to be a vector of length {value.ndim} but got length "
            f"{len(times)} [Op:Tile]",
        )
    return _moved(value, lambda x: plait.tile(x, times), lambda a: np.tile(a, times))


@op
def repeat(input: Any, repeats: Any, axis: Any = None) -> Any:
    """Each element (slice along an axis) repeated."""
    times = ints(repeats)
    value = convert(input)
    if axis is None:
        value, axis = reshape(value, (-1,)), 0
    where = one_axis(axis, value.ndim, "Repeat")
    extent = value._inner.shape[where]
    places = np.repeat(np.arange(extent), times[0] if len(times) == 1 else times)
    return _moved(
        value,
        lambda x: plait.index_select(x, where, plait.from_numpy(places)),
        lambda a: np.take(a, places, axis=where),
    )


@op
def broadcast_to(input: Any, shape: Any) -> Any:
    """The tensor repeated where its extents are 1."""
    wanted = ints(shape)
    value = convert(input)
    try:
        np.broadcast_shapes(value._inner.shape, wanted)
    except ValueError:
        raise error(
            errors.InvalidArgumentError,
            f"Incompatible shapes: {list(value._inner.shape)} vs. {list(wanted)} [Op:BroadcastTo]",
        ) from None
    return _moved(
        value, lambda x: plait.broadcast_to(x, wanted), lambda a: np.broadcast_to(a, wanted).copy()
    )


_PAD_MODES = {"CONSTANT": "constant", "REFLECT": "reflect", "SYMMETRIC": "symmetric"}


@op
def pad(tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0) -> Any:
    """Elements put around: a constant, or the tensor mirrored without or with its edge."""
    value = convert(tensor)
    pairs = np.asarray(convert(paddings)._array(), np.int64).reshape(-1, 2)
    if len(pairs) != value.ndim:
        raise error(
            errors.InvalidArgumentError,
            f"The first dimension of paddings must be the rank of inputs[{len(pairs)},2] "
            f"{list(value._inner.shape)} [Op:Pad]",
        )
    kind = _PAD_MODES.get(mode.upper())
    if kind is None:
        raise error(ValueError, f"Expected `mode` to be CONSTANT, REFLECT or SYMMETRIC, got {mode}")
    if value.dtype is string:
        return of_array(np.pad(value._array(), pairs, constant_values=constant_values or b""))
    held = value.inner()
    if kind != "constant":
        for axis, (before, after) in enumerate(pairs.tolist()):
            if before or after:
                places = np.pad(np.arange(held.shape[axis]), (before, after), mode=kind)  # type: ignore[call-overload]  # one of two literals
                held = plait.index_select(held, axis, plait.from_numpy(places))
        return wrap(held)
    flat = [int(n) for pair in pairs[::-1] for n in pair]
    fill = convert(constant_values, hint=value.dtype)._array().item()
    return wrap(plait.nn.functional.pad(held, flat, value=fill))


@op
def reverse(tensor: Any, axis: Any) -> Any:
    """The order along axes turned round."""
    value = convert(tensor)
    axes = tuple([one_axis(a, value.ndim, "ReverseV2") for a in ints(axis)])
    return _moved(value, lambda x: plait.flip(x, axes), lambda a: np.flip(a, axes).copy())


@op
def roll(input: Any, shift: Any, axis: Any) -> Any:
    """Elements moved along axes, those that leave coming in at the other end."""
    return wrap(plait.roll(inner(input), ints(shift), ints(axis)))


@op
def sort(values: Any, axis: int = -1, direction: str = "ASCENDING") -> Any:
    """Sorted along an axis."""
    held = inner(values)
    return wrap(plait.sort(held, dim=axis, descending=_descending(direction)).values)


@op
def argsort(values: Any, axis: int = -1, direction: str = "ASCENDING", stable: bool = False) -> Any:
    """The places that sort along an axis, int32."""
    held = inner(values)
    order = plait.sort(held, dim=axis, descending=_descending(direction), stable=True).indices
    return wrap(order.to(plait.int32))


def _descending(direction: str) -> bool:
    if direction not in ("ASCENDING", "DESCENDING"):
        raise error(
            ValueError, f"Argument `direction` should be ASCENDING or DESCENDING: {direction}"
        )
    return direction == "DESCENDING"


@op
def top_k(input: Any, k: Any = 1, sorted: bool = True, index_type: Any = int32) -> Any:
    """The k greatest along the last axis and their places (int32)."""
    held = inner(input)
    count = int(k)
    if held.ndim < 1 or count > held.shape[-1]:
        raise error(
            errors.InvalidArgumentError,
            f"input must have at least k columns. Had {held.shape[-1] if held.ndim else 0}, needed "
            f"{count} [Op:TopKV2]",
        )
    # A stable sort gives equal elements in the order of their places, as TensorFlow does.
    found = plait.sort(held, dim=-1, descending=True, stable=True)
    return TopK(
        wrap(found.values[..., :count].clone()),
        wrap(found.indices[..., :count].to(core_dtype(index_type))),
    )


class TopK(tuple):
    """(values, indices)."""

    values = property(lambda self: self[0])
    indices = property(lambda self: self[1])
    _fields = ("values", "indices")

    def __new__(cls, values: Any, indices: Any) -> TopK:
        return super().__new__(cls, (values, indices))


@op
def in_top_k(targets: Any, predictions: Any, k: Any) -> Any:
    """Whether each target's prediction is among the k greatest of its row."""
    places = inner(targets).to(plait.int64)
    scores = inner(predictions)
    own = plait.gather(scores, 1, places.unsqueeze(1))
    better = (scores > own).to(plait.int32).sum(dim=1)
    return wrap(plait.logical_and(better < int(k), plait.isfinite(own.squeeze(1))))


class Unique(NamedTuple):
    """What `tf.unique` gives."""

    y: Any
    idx: Any


class UniqueWithCounts(NamedTuple):
    """What `tf.unique_with_counts` gives."""

    y: Any
    idx: Any
    count: Any


@op
def unique(x: Any, out_idx: Any = int32) -> Any:
    """(y: the distinct elements in order of appearance, idx: for each the place of its like)."""
    return Unique(*_unique(x, out_idx)[:2])


@op
def unique_with_counts(x: Any, out_idx: Any = int32) -> Any:
    """As `unique`, and count: how often each occurs."""
    return UniqueWithCounts(*_unique(x, out_idx))


def _unique(x: Any, out_idx: Any) -> tuple[Any, Any, Any]:
    array = convert(x)._array()
    if array.ndim != 1:
        raise error(errors.InvalidArgumentError, "unique expects a 1D vector. [Op:Unique]")
    _, first, where, counts = np.unique(
        array, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(first, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    kind = core_dtype(out_idx).numpy
    made = (array[first[order]], place[where].astype(kind), counts[order].astype(kind))
    return tuple(of_array(a) for a in made)  # type: ignore[return-value]  # three of them


@op
def searchsorted(
    sorted_sequence: Any, values: Any, side: str = "left", out_type: Any = int32
) -> Any:
    """Where values would go into sorted rows."""
    made = plait.searchsorted(inner(sorted_sequence), inner(values), right=side == "right")
    return wrap(made.to(core_dtype(out_type)))


@op
def sequence_mask(lengths: Any, maxlen: Any = None, dtype: Any = "bool") -> Any:
    """Rows whose first `length` places are True."""
    held = inner(lengths)
    most = int(held.compute().max(initial=0)) if maxlen is None else int(maxlen)
    mask = plait.arange(most, dtype=held.dtype) < held.unsqueeze(-1)
    return wrap(mask.to(core_dtype(dtype)))


@op
def ensure_shape(x: Any, shape: Any) -> Any:
    """The tensor itself. Raises ValueError where the shape is another."""
    value = convert(x)
    if not value.shape.is_compatible_with(shape):
        raise error(
            errors.InvalidArgumentError,
            f"Shape of tensor {value.shape} is not compatible with expected shape {shape}. "
            "[Op:EnsureShape]",
        )
    return value


@op
def space_to_depth(input: Any, block_size: int, data_format: str = "NHWC") -> Any:
    """Blocks of places as channels."""
    held, b = inner(input), block_size
    n, h, w, c = held.shape
    split_axes = held.reshape((n, h // b, b, w // b, b, c)).permute((0, 1, 3, 2, 4, 5))
    return wrap(split_axes.reshape((n, h // b, w // b, b * b * c)))


@op
def depth_to_space(input: Any, block_size: int, data_format: str = "NHWC") -> Any:
    """Channels as blocks of places."""
    held, b = inner(input), block_size
    n, h, w, c = held.shape
    split_axes = held.reshape((n, h, w, b, b, c // (b * b))).permute((0, 1, 3, 2, 4, 5))
    return wrap(split_axes.reshape((n, h * b, w * b, c // (b * b))))


def _unique_spec(x: Any, out_idx: Any = int32) -> Any:
    held = convert(x) if not isinstance(x, Tensor) else x
    return Unique(TensorSpec([None], held.dtype), TensorSpec(held.shape, out_idx))


# How many there are depends on the values: a graph cannot know it.
unique.__dict__["infer"] = _unique_spec
unique_with_counts.__dict__["infer"] = lambda x, out_idx=int32: UniqueWithCounts(
    *_unique_spec(x, out_idx), count=TensorSpec([None], out_idx)
)
