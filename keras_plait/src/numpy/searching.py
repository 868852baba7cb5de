"""Sorting, searching, counting, and choosing elements by index or condition."""

from __future__ import annotations

import builtins
from typing import Any

import plait as torch
from keras_plait.src.core import convert_to_tensor
from keras_plait.src.operands import as_float, together


def sort(x: Any, axis: int | None = -1) -> Any:
    x = convert_to_tensor(x)
    if axis is None:
        x, axis = x.reshape(-1), 0
    if x.dtype is torch.bool:
        return torch.sort(x.to(torch.uint8), dim=axis, stable=True).values.to(torch.bool)
    return torch.sort(x, dim=axis, stable=True).values


def argsort(x: Any, axis: int | None = -1) -> Any:
    x = convert_to_tensor(x)
    if x.ndim == 0:
        return torch.zeros(1, dtype=torch.int32)
    if axis is None:
        x, axis = x.reshape(-1), 0
    if x.dtype is torch.bool:
        x = x.to(torch.uint8)
    return torch.argsort(x, dim=axis, stable=True).to(torch.int32)


def argpartition(x: Any, kth: int, axis: int | None = -1) -> Any:
    """Indices with the kth in its place; a full sort is one such order."""
    return argsort(x, axis)


def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Any:
    sequence, values = convert_to_tensor(sorted_sequence), convert_to_tensor(values)
    if sequence.ndim != 1:
        raise ValueError(
            "`searchsorted` only supports 1-D sorted sequences. You can use "
            "`keras.ops.vectorized_map` to extend it to N-D sequences. Received: "
            f"sorted_sequence.shape={tuple(sequence.shape)}"
        )
    sequence, values = together(sequence, values)
    return torch.searchsorted(sequence, values, side=side).to(torch.int32)


def digitize(x: Any, bins: Any) -> Any:
    x, bins = together(convert_to_tensor(x), convert_to_tensor(bins))
    if x.dtype is torch.bool:
        x, bins = x.to(torch.int32), bins.to(torch.int32)
    return torch.searchsorted(bins, x, right=True).to(torch.int32)


def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
    """How often each number occurs in the last axis of x, or the sum of its weights."""
    if sparse:
        raise ValueError("Unsupported value `sparse=True` with the plait backend")
    x = convert_to_tensor(x)
    length = minlength
    if x.numel():
        length = builtins.max(minlength, int(torch.max(x)) + 1)
    if weights is None:
        values = torch.ones(x.shape, dtype=torch.int32)
    else:
        values = convert_to_tensor(weights)
        values = values.to(torch.int32) if values.dtype is torch.bool else values
    rows = torch.zeros((*x.shape[:-1], length), dtype=values.dtype)
    return rows.scatter_add(-1, x.to(torch.int64), values)


def histogram(x: Any, bins: Any = 10, range: Any = None) -> tuple[Any, Any]:
    """(counts, edges) of equal bins, or of bins between given edges."""
    x = convert_to_tensor(x)
    flat = as_float(x).reshape(-1)
    edges = _edges(flat, bins, range)
    inside = (flat >= edges[0]) & (flat <= edges[-1])
    number = torch.searchsorted(edges, flat, right=True) - 1
    # The last bin holds its right edge.
    number = torch.clamp(number, 0, len(edges) - 2)
    counts = torch.zeros(len(edges) - 1, dtype=torch.int32)
    return counts.scatter_add(0, number, inside.to(torch.int32)), edges


def _edges(flat: Any, bins: Any, range: Any) -> Any:
    from keras_plait.src.numpy.creation import linspace

    if not isinstance(bins, int):
        return convert_to_tensor(bins).to(flat.dtype)
    if range is not None:
        if len(range) != 2 or range[1] < range[0]:
            raise ValueError(f"`range` must be a tuple of two ascending values. Received: {range}")
        low, high = float(range[0]), float(range[1])
    elif flat.numel():
        low, high = float(torch.min(flat)), float(torch.max(flat))
    else:
        low, high = 0.0, 1.0
    if low == high:
        low, high = low - 0.5, high + 0.5
    return linspace(low, high, bins + 1, dtype=flat.dtype)


def isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    x1, x2 = together(convert_to_tensor(x1), convert_to_tensor(x2), no_bool=True)
    return torch.isin(x1, x2, assume_unique=assume_unique, invert=invert)


def nonzero(x: Any) -> tuple[Any, ...]:
    x = convert_to_tensor(x)
    return tuple(index.to(torch.int32) for index in torch.nonzero(x, as_tuple=True))


def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    condition = convert_to_tensor(condition, dtype="bool")
    if x1 is None and x2 is None:
        return nonzero(condition)
    if x1 is None or x2 is None:
        raise ValueError("`x1` and `x2` either both should be `None` or both should have values.")
    return torch.where(condition, *together(x1, x2))


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """From each place, the first choice whose condition holds."""
    conditions = [convert_to_tensor(c, dtype="bool") for c in condlist]
    choices = [convert_to_tensor(c) for c in choicelist]
    if len(conditions) != len(choices):
        raise ValueError("condlist and choicelist must have the same length")
    made = default
    for condition, choice in zip(reversed(conditions), reversed(choices)):
        made = where(condition, choice, made)
    return made


# -- by index --------------------------------------------------------------------------------------


def _from_front(indices: Any, extent: int) -> Any:
    """Indices counted from the front."""
    indices = indices.to(torch.int64)
    return torch.where(indices < 0, indices + extent, indices)


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The slices of x along `axis` at `indices`, negative ones from the end."""
    x, indices = convert_to_tensor(x), convert_to_tensor(indices)
    if axis is None:
        x = x.reshape(-1)
    axis = int(0 if axis is None else axis % x.ndim)
    place = _from_front(indices, x.shape[axis])
    if axis == 0 and x.ndim == 2:
        return torch.nn.functional.embedding(place, x)
    made = x.index_select(axis, place.reshape(-1))
    return made.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    x, indices = convert_to_tensor(x), convert_to_tensor(indices)
    if axis is None:
        x, indices, axis = x.reshape(-1), indices.reshape(-1), 0
    axis = axis % x.ndim
    place = _from_front(indices, x.shape[axis])
    lead = torch.broadcast_shapes(
        [1 if a == axis else e for a, e in enumerate(x.shape)],
        [1 if a == axis else e for a, e in enumerate(place.shape)],
    )
    of_x = [x.shape[a] if a == axis else e for a, e in enumerate(lead)]
    of_place = [place.shape[a] if a == axis else e for a, e in enumerate(lead)]
    return torch.gather(x.expand(of_x), axis, place.expand(of_place))


def unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """The index along each axis of an array of `shape`, of a number in row-major order."""
    indices = convert_to_tensor(indices)
    total = 1
    for extent in shape:
        total *= extent
    rest = torch.where(indices < 0, indices + total, indices).to(indices.dtype)
    found = []
    for extent in reversed(shape):
        found.append(torch.remainder(rest, extent).to(indices.dtype))
        rest = torch.div(rest, extent, rounding_mode="floor").to(indices.dtype)
    return tuple(reversed(found))


def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The different values of x (or slices along `axis`), in order; cut or filled up to `size`."""
    x = convert_to_tensor(x)
    values, inverse, counts = torch.unique(
        x if axis is not None else x.reshape(-1),
        return_inverse=True,
        return_counts=True,
        dim=0 if axis is None else axis % x.ndim,
    )
    place = 0 if axis is None else axis % x.ndim
    count = values.shape[place]
    flat = inverse.reshape(-1)
    first = torch.full((count,), flat.shape[0], dtype=torch.int64)
    first = first.scatter_reduce(0, flat, torch.arange(flat.shape[0]), "amin")
    if size is not None and size != count:
        values, first, counts = _to_size(values, first, counts, size, fill_value, place)
    made = [values]
    if return_index:
        made.append(first.to(torch.int32))
    if return_inverse:
        made.append((inverse if axis is not None else inverse.reshape(x.shape)).to(torch.int32))
    if return_counts:
        made.append(counts.to(torch.int32))
    return tuple(made) if len(made) > 1 else values


def _to_size(
    values: Any, first: Any, counts: Any, size: int, fill: Any, axis: int
) -> tuple[Any, Any, Any]:
    count = values.shape[axis]
    if size < count:
        return values.narrow(axis, 0, size), first[:size], counts[:size]
    more = size - count
    extents = [more if a == axis else e for a, e in enumerate(values.shape)]
    if fill is None:
        filler = values.narrow(axis, 0, 1).expand(extents)
    else:
        filler = convert_to_tensor(fill, dtype=values.dtype).expand(extents)
    return (
        torch.cat([values, filler], axis),
        torch.cat([first, first[:1].expand(more)]),
        torch.cat([counts, torch.zeros(more, dtype=counts.dtype)]),
    )
