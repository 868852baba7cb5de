"""Shape functions: views of the same memory where PyTorch gives views."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from plait._functions.common import attach, public, shape_argument
from plait._tensor import Tensor, scalar_type
from plait._types import Size
from plait.core.functional.axes import normal_axes, normal_axis
from plait.core.functional.broadcasting import broadcast_shapes as common_shape
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error
from plait.core.lazy.capture import current, watch
from plait.core.lazy.cell import leaf_of
from plait.core.lazy.views import (
    Layout,
    elements_at,
    reshaped_strides,
    storage_size,
    strided_positions,
)
from plait.core.ops.index import PUT_AT, TAKE
from plait.core.ops.view import BITCAST, BROADCAST, FLIP, RESHAPE, SLICE, TRANSPOSE


def inferred_shape(name: str, shape: tuple[int, ...], old: tuple[int, ...]) -> tuple[int, ...]:
    """The new shape with its one -1 replaced. Raises RuntimeError where it does not fit the old."""
    numel = math.prod(old)
    known = 1
    for extent in shape:
        if extent < -1:
            raise error(RuntimeError, f"invalid shape dimension {extent} in {name}")
        known *= 1 if extent == -1 else extent
    unknown = shape.count(-1)
    if unknown > 1:
        raise error(
            RuntimeError, f"only one dimension can be inferred in {name}, received {list(shape)}"
        )
    if unknown:
        if known == 0:
            raise error(
                RuntimeError,
                f"cannot reshape tensor of {numel} elements into shape {list(shape)} because the "
                "unspecified dimension size -1 can be any value and is ambiguous",
            )
        fits = numel % known == 0
        shape = tuple([numel // known if extent == -1 else extent for extent in shape])
    else:
        fits = known == numel
    if not fits:
        raise error(
            RuntimeError,
            f"shape '{list(shape)}' is invalid for input of size {numel} (shape {list(old)}) "
            f"in {name}",
        )
    return shape


@public(view=True)
def view(input: Tensor, *shape: Any, **kwargs: Any) -> Tensor:
    """The same memory under another shape, or read as another dtype.

    Raises RuntimeError where the memory cannot be seen under that shape.
    """
    if "dtype" in kwargs or (len(shape) == 1 and isinstance(shape[0], DType)):
        return _view_dtype(input, kwargs.get("dtype", shape[0] if shape else None))
    sizes = shape_argument("view", shape or (kwargs.get("size", ()),))
    sizes = inferred_shape("view", sizes, input._shape)
    if reshaped_strides(input._shape, input.memory().strides, sizes) is None:
        raise error(
            RuntimeError,
            "view size is not compatible with input tensor's size and stride (at least one "
            "dimension spans across two contiguous subspaces). Use .reshape(...) instead. "
            f"Received shape {list(input._shape)} with strides {input.stride()} and size "
            f"{list(sizes)}",
        )
    return input.view_through(RESHAPE, shape=sizes)


def _view_dtype(input: Tensor, dtype: Any) -> Tensor:
    if dtype is input.dtype:
        return input.view_through(RESHAPE, shape=input._shape)
    if dtype.itemsize != input.dtype.itemsize:
        return _view_of_other_size(input, dtype)
    return input.view_through(BITCAST, dtype=dtype)


def _view_of_other_size(input: Tensor, dtype: DType) -> Tensor:
    """The memory read in larger or smaller elements: the last axis shrinks or grows.

    The value is computed, and its memory is from now on visible from outside.
    """
    what = f"to view {scalar_type(input.dtype)} as {scalar_type(dtype)} (different element sizes)"
    if not input.ndim:
        raise error(RuntimeError, f"self.dim() cannot be 0 {what}")
    if input.shape[-1] > 1 and input.stride(-1) != 1:
        raise error(RuntimeError, f"self.stride(-1) must be 1 {what}, but got {input.stride(-1)}")
    ratio = dtype.itemsize // input.dtype.itemsize
    if ratio and input.shape[-1] % ratio:
        raise error(
            RuntimeError,
            f"self.size(-1) must be divisible by {ratio} {what}, but got {input.shape[-1]}",
        )
    array = input.detach().export()
    return Tensor.of_array(array.view(dtype.numpy), dtype)


@public(view=True)
def reshape(input: Tensor, *shape: Any, **kwargs: Any) -> Tensor:
    """The same elements under another shape: a view where possible, else a copy."""
    sizes = shape_argument("reshape", shape or (kwargs.get("shape", ()),))
    sizes = inferred_shape("reshape", sizes, input._shape)
    if reshaped_strides(input._shape, input.memory().strides, sizes) is None:
        return RESHAPE(input, shape=sizes)
    return input.view_through(RESHAPE, shape=sizes)


@public
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """`view` to the shape of another tensor."""
    return view(input, other._shape)


@public
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """`reshape` to the shape of another tensor."""
    return reshape(input, other._shape)


@public
def ravel(input: Tensor) -> Tensor:
    """One axis."""
    return reshape(input, -1)


@public(view=True)
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merge the axes start_dim .. end_dim."""
    if not input._shape:
        return reshape(input, 1)
    start = normal_axis(start_dim, input.ndim, "flatten")
    end = normal_axis(end_dim, input.ndim, "flatten")
    if start > end:
        raise error(RuntimeError, "flatten() has invalid args: start_dim cannot come after end_dim")
    if start == end:
        return input
    merged = 1
    for extent in input._shape[start : end + 1]:
        merged *= extent
    return reshape(input, (*input._shape[:start], merged, *input._shape[end + 1 :]))


@public
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split one axis into several."""
    axis = normal_axis(dim, input.ndim, "unflatten")
    extent, known = input._shape[axis], math.prod(size for size in sizes if size != -1)
    if known != extent if -1 not in sizes else known == 0 or extent % known:
        raise error(
            RuntimeError,
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {axis} "
            f"({extent}) in the input tensor",
        )
    split = inferred_shape("unflatten", tuple(sizes), (extent,))
    return view(input, (*input._shape[:axis], *split, *input._shape[axis + 1 :]))


@public(view=True)
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Drop axes of extent 1: all, one, or those named."""
    if dim is None:
        axes = set(range(input.ndim))
    else:
        axes = set(normal_axes(dim, input.ndim, "squeeze")) if dim != () else set()
    kept = [i for i, n in enumerate(input._shape) if n != 1 or i not in axes]
    memory = input.memory()
    layout = Layout(tuple([memory.strides[i] for i in kept]), memory.offset)
    shape = tuple([input._shape[i] for i in kept])
    return input.view_through(RESHAPE, layout=layout, shape=shape)


@public(view=True)
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A new axis of extent 1 at `dim`."""
    axis = normal_axis(dim, input.ndim + 1, "unsqueeze")
    shape, memory = input._shape, input.memory()
    stride = shape[axis] * memory.strides[axis] if axis < len(shape) else 1
    layout = Layout((*memory.strides[:axis], stride, *memory.strides[axis:]), memory.offset)
    return input.view_through(RESHAPE, layout=layout, shape=(*shape[:axis], 1, *shape[axis:]))


def _in_place_shape(name: str) -> Any:
    def write(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        seen = getattr(self, name)(*args, **kwargs)
        if seen is self:
            return self
        if self.requires_grad:
            self.require_writable(f"{name}_")
        self.become(seen)
        return self

    write.__name__ = name + "_"
    write.__doc__ = f"In-place version of `{name}`."
    setattr(Tensor, name + "_", write)
    return write


@public(names=("swapaxes", "swapdims"), view=True)
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two axes."""
    a = normal_axis(dim0, input.ndim, "transpose")
    b = normal_axis(dim1, input.ndim, "transpose")
    if not input._shape:
        return input
    axes = list(range(input.ndim))
    axes[a], axes[b] = axes[b], axes[a]
    return input.view_through(TRANSPOSE, axes=tuple(axes))


@public(view=True)
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; vectors are unchanged."""
    if input.ndim > 2:
        raise error(
            RuntimeError,
            f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D: shape "
            f"{list(input._shape)}",
        )
    return transpose(input, 0, 1) if input.ndim == 2 else input


@public(view=True)
def permute(input: Tensor, *dims: Any, **kwargs: Any) -> Tensor:
    """Reorder the axes."""
    order = shape_argument("permute", dims or (kwargs.get("dims", ()),))
    if len(order) != input.ndim:
        raise error(
            RuntimeError,
            f"permute: number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {input.ndim} is not "
            f"equal to len(dims) = {len(order)} (shape {list(input._shape)}, dims {list(order)})",
        )
    axes = tuple([normal_axis(axis, input.ndim, "permute") for axis in order])
    if len(set(axes)) != len(axes):
        raise error(
            RuntimeError, f"permute(): duplicate dims are not allowed, received {list(order)}"
        )
    return input.view_through(TRANSPOSE, axes=axes)


@public(names=("moveaxis",))
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Move axes to new places; the others keep their order."""
    sources = [source] if isinstance(source, int) else list(source)
    targets = [destination] if isinstance(destination, int) else list(destination)
    sources = [normal_axis(axis, input.ndim, "movedim") for axis in sources]
    targets = [normal_axis(axis, input.ndim, "movedim") for axis in targets]
    distinct = len(set(sources)) == len(sources) == len(set(targets))
    if len(sources) != len(targets) or not distinct:
        raise error(
            RuntimeError,
            f"movedim: source {source} and destination {destination} must name distinct axes, "
            "equally many",
        )
    rest = iter([axis for axis in range(input.ndim) if axis not in sources])
    placed = dict(zip(targets, sources))
    return permute(
        input, tuple([placed.get(i) if i in placed else next(rest) for i in range(input.ndim)])
    )


@public
def expand(input: Tensor, *sizes: Any, **kwargs: Any) -> Tensor:
    """Repeat axes of extent 1 without copying; -1 keeps an extent."""
    shape = shape_argument("expand", sizes or (kwargs.get("size", ()),))
    lead = len(shape) - input.ndim
    if lead < 0:
        raise error(
            RuntimeError,
            f"expand({list(input._shape)}, size={list(shape)}): the number of sizes provided "
            f"({len(shape)}) must be greater or equal to the number of dimensions in the tensor "
            f"({input.ndim})",
        )
    full = []
    for i, extent in enumerate(shape):
        own = input._shape[i - lead] if i >= lead else 1
        if extent == -1 and i < lead:
            raise error(
                RuntimeError,
                f"The expanded size of the tensor (-1) isn't allowed in a leading, non-existing "
                f"dimension {i}",
            )
        wanted = own if extent == -1 else extent
        if own not in (1, wanted):
            raise error(
                RuntimeError,
                f"The expanded size of the tensor ({extent}) must match the existing size ({own}) "
                f"at non-singleton dimension {i}.  Target sizes: {list(shape)}.  Tensor sizes: "
                f"{list(input._shape)}",
            )
        full.append(wanted)
    return input.view_through(BROADCAST, shape=tuple(full))


@public
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """`expand` to the shape of another tensor."""
    return expand(input, other._shape)


@public
def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """`expand` to a shape."""
    return expand(input, tuple(size))


@public(view=True)
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """The part start .. start+length of one axis."""
    if not input.ndim:
        raise error(RuntimeError, "narrow() cannot be applied to a 0-dim tensor.")
    if isinstance(start, Tensor) and (start.ndim or start.dtype.kind not in "iu"):
        raise error(RuntimeError, "start must be an 0-dim integral Tensor.")
    axis = normal_axis(dim, input.ndim, "narrow")
    extent = input._shape[axis]
    first = int(start)
    if not -extent <= first <= extent:
        raise error(
            IndexError,
            f"start out of range (expected to be in range of [-{extent}, {extent}], but got "
            f"{first}) in narrow",
        )
    first = first + extent if first < 0 else first
    if length < 0 or first + length > extent:
        raise error(
            RuntimeError,
            f"start ({first}) + length ({length}) exceeds dimension size ({extent}) in narrow.",
        )
    return slice_along(input, axis, first, first + length, 1)


def slice_along(input: Tensor, axis: int, start: int, stop: int, step: int) -> Tensor:
    """A view of part of one axis; bounds are in range."""
    extents = tuple(input._shape)
    before, after = (0,) * axis, (0,) * (len(extents) - axis - 1)
    ones = (1,) * len(extents)
    return input.view_through(
        SLICE,
        starts=(*before, start, *after),
        stops=(*extents[:axis], stop, *extents[axis + 1 :]),
        steps=ones if step == 1 else (*ones[:axis], step, *ones[axis + 1 :]),
    )


@public(view=True)
def select(input: Tensor, dim: int, index: Any) -> Tensor:
    """One position of an axis, which goes."""
    if not input._shape:
        raise error(IndexError, "select() cannot be applied to a 0-dim tensor.")
    axis = normal_axis(dim, input.ndim, "select")
    extent = input._shape[axis]
    place = int(index)
    if not -extent <= place < extent:
        raise error(
            IndexError,
            f"select(): index {place} out of range for tensor of size {list(input._shape)} at "
            f"dimension {axis}",
        )
    place = place + extent if place < 0 else place
    line = slice_along(input, axis, place, place + 1, 1)
    shape = input._shape[:axis] + input._shape[axis + 1 :]
    strides = input.memory().strides
    layout = Layout(strides[:axis] + strides[axis + 1 :], line.memory().offset)
    return line.view_through(RESHAPE, layout=layout, shape=shape)


@public
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Every position of an axis."""
    axis = normal_axis(dim, input.ndim, "unbind")
    return tuple([select(input, axis, i) for i in range(input._shape[axis])])


@public
def split(input: Tensor, split_size_or_sections: Any, dim: int = 0, **kwargs: Any) -> tuple:
    """Parts of one axis: of equal size (the last may be smaller), or of the sizes given."""
    sections = kwargs.get("split_size", split_size_or_sections)
    axis = normal_axis(dim, input.ndim, "split")
    extent = input._shape[axis]
    if isinstance(sections, int):
        if sections < 0 or (sections == 0 and extent):
            raise error(
                RuntimeError, f"split expects split_size be non-negative, but got {sections}"
            )
        sizes = [min(sections, extent - at) for at in range(0, extent, sections)] if extent else [0]
    else:
        sizes = [int(s) for s in sections]
        if sum(sizes) != extent or any(s < 0 for s in sizes):
            raise error(
                RuntimeError,
                f"split_with_sizes expects split_sizes to sum exactly to {extent} (input tensor's "
                f"size at dimension {axis}), but got split_sizes={sizes}",
            )
    parts, at = [], 0
    for size in sizes:
        parts.append(slice_along(input, axis, at, at + size, 1))
        at += size
    return tuple(parts)


split_with_sizes = public(
    lambda input, split_sizes, dim=0: split(input, list(split_sizes), dim),
    names=("split_with_sizes",),
)


@public
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` parts of equal size (the last may be smaller)."""
    if chunks <= 0:
        raise error(RuntimeError, f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    axis = normal_axis(dim, input.ndim, "chunk")
    size = -(-input._shape[axis] // chunks)
    return split(input, size, axis) if size else (input,) * chunks


@public
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of one axis: `sections` as even as possible, or cut at the indices given."""
    axis = normal_axis(dim, input.ndim, "tensor_split")
    extent = input._shape[axis]
    if isinstance(indices_or_sections, Tensor):
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        count, extra = divmod(extent, indices_or_sections)
        sizes = [count + (i < extra) for i in range(indices_or_sections)]
        return split(input, sizes, axis)
    cuts = [slice(None, int(i)).indices(extent)[1] for i in indices_or_sections]
    starts, stops = [0, *cuts], [*cuts, extent]
    return tuple([slice_along(input, axis, a, max(a, b), 1) for a, b in zip(starts, stops)])


@public
def as_strided(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """A view of the storage by explicit shape, strides and offset.

    Raises RuntimeError where it reaches outside the storage.
    """
    if watch.active is not None and (active := current()) is not None:
        active.memory_read(input)
    shape, strides = tuple(size), tuple(stride)
    offset = input.storage_offset() if storage_offset is None else storage_offset
    layout = Layout(strides, offset)
    base: Any = input if input._base is None else input._settled_base()
    if len(shape) != len(strides) or any(s < 0 for s in (*shape, *strides, offset)):
        raise error(
            RuntimeError,
            f"as_strided: size {list(shape)}, stride {list(strides)} and storage offset {offset} "
            "must be non-negative, one stride per size",
        )
    extent = storage_size(tuple(base._shape), base.memory())
    if storage_size(shape, layout) > extent:
        raise error(
            RuntimeError,
            f"setStorage: sizes {list(shape)}, strides {list(strides)}, storage offset {offset} "
            f"requiring {storage_size(shape, layout)} elements are out of bounds for storage of "
            f"{extent} elements",
        )
    positions = strided_positions(shape, strides, offset)
    places = leaf_of(elements_at(tuple(base._shape), base.memory(), positions))
    if input.requires_grad and not base.requires_grad:
        # A leaf in memory of others: the gradient is its own, not that of the memory around it.
        own = leaf_of(strided_positions(tuple(input._shape), *input.memory()).reshape(-1))
        around = RESHAPE(base.detached(), shape=(base.numel(),))
        return TAKE(PUT_AT(around, own, reshape(input, (input.numel(),)), axis=0), places, axis=0)
    flat = base.view_through(RESHAPE, shape=(base.numel(),))
    return flat.view_through(TAKE, places, layout=layout, axis=0)


@public
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two axes, as a last axis."""
    a = normal_axis(dim1, input.ndim, "diagonal")
    b = normal_axis(dim2, input.ndim, "diagonal")
    if a == b:
        raise error(RuntimeError, f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    rest = [axis for axis in range(input.ndim) if axis not in (a, b)]
    rows, columns = input._shape[a], input._shape[b]
    length = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    first = max(-offset, 0) * columns + max(offset, 0)
    moved = permute(input, (*rest, a, b))
    lead = moved._shape[:-2]
    flat = moved.view_through(
        RESHAPE, layout=Layout((0,) * (len(rest) + 1), 0), shape=(*lead, rows * columns)
    )
    places = np.arange(length, dtype=np.int64) * (columns + 1) + first
    strides, start = moved.memory()
    layout = Layout(
        (*strides[:-2], strides[-2] + strides[-1]),
        start + max(-offset, 0) * strides[-2] + max(offset, 0) * strides[-1],
    )
    return flat.view_through(TAKE, leaf_of(places), layout=layout, axis=len(lead))


@public
def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of `size` along an axis, `step` apart, as a new last axis (a view)."""
    axis = normal_axis(dimension, input.ndim, "unfold")
    if not input._shape and 0 <= size <= 1 < step + 1:
        return input.expand(1)[:size]  # the only window there is
    extent = input._shape[axis] if input._shape else 1
    if size > extent or size < 0 or step <= 0:
        raise error(
            RuntimeError,
            f"maximum size for tensor at dimension {axis} is {extent} but size is {size} "
            f"(step {step}) in unfold",
        )
    windows = (extent - size) // step + 1
    places = np.arange(windows)[:, None] * step + np.arange(size)
    strides, start = input.memory()
    layout = Layout(
        (*strides[:axis], strides[axis] * step, *strides[axis + 1 :], strides[axis]), start
    )
    taken = input.view_through(
        TAKE, leaf_of(places.astype(np.int64)), layout=Layout((), 0), axis=axis
    )
    rank = taken.ndim
    order = [i for i in range(rank) if i != axis + 1] + [axis + 1]
    return taken.view_through(TRANSPOSE, layout=layout, axes=tuple(order))


@public
def flip(input: Tensor, *dims: Any, **kwargs: Any) -> Tensor:
    """Reverse axes (a copy)."""
    order = shape_argument("flip", dims or (kwargs.get("dims", ()),))
    axes = tuple(sorted({normal_axis(axis, input.ndim, "flip") for axis in order}))
    if not input._shape:
        return input.clone()
    return FLIP(input, axes=axes)


@public
def fliplr(input: Tensor) -> Tensor:
    """Reverse the columns."""
    if input.ndim < 2:
        raise error(RuntimeError, f"fliplr: Input must be >= 2-d, received {input.ndim}-d")
    return flip(input, 1)


@public
def flipud(input: Tensor) -> Tensor:
    """Reverse the rows."""
    if input.ndim < 1:
        raise error(RuntimeError, "flipud: Input must be >= 1-d, received 0-d")
    return flip(input, 0)


def _matrix_transpose(self: Tensor) -> Tensor:
    """The last two axes swapped."""
    if self.ndim < 2:
        raise error(
            RuntimeError,
            "tensor.mT is only supported on matrices or batches of matrices. Got "
            f"{self.ndim}-D tensor.",
        )
    return transpose(self, -2, -1)


def _reversed(self: Tensor) -> Tensor:
    """The elements of the first axis in reverse order; a 0-d tensor as it is."""
    return flip(self, 0)


@public(method=False)
def broadcast_shapes(*shapes: Any) -> Size:
    """The common shape of these shapes."""
    return Size(common_shape("broadcast_shapes", *[shape_argument("size", (s,)) for s in shapes]))


def _reversed_axes(self: Tensor) -> Tensor:
    """All axes in reverse order."""
    return permute(self, tuple(reversed(range(self.ndim))))


for _name in ("squeeze", "unsqueeze", "transpose", "swapaxes", "swapdims", "t"):
    _in_place_shape(_name)
# The adjoint of a real matrix is its transpose.
attach(__reversed__=_reversed)
attach(T=property(_reversed_axes), mT=property(_matrix_transpose), H=property(_matrix_transpose))
