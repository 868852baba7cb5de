"""Rearranging: shapes, axes, joining, splitting, padding, diagonals."""

from __future__ import annotations

from typing import Any

from keras.src.backend.common.backend_utils import vectorize_impl
from keras.src.backend.common.dtypes import result_type

import plait as torch
from keras_plait.src.core import convert_to_tensor, to_plait_dtype
from keras_plait.src.operands import axes_of, name_of


def _all_together(xs: Any) -> list[Any]:
    """All in their common dtype."""
    tensors = [convert_to_tensor(x) for x in xs]
    names = {name_of(x) for x in tensors}
    if len(names) == 1:
        return tensors
    dtype = to_plait_dtype(result_type(*names))
    return [x.to(dtype) for x in tensors]


#: Unsigned integers by their bytes.
_WORDS = {1: torch.uint8, 2: torch.uint16, 4: torch.uint32, 8: torch.int64}


def ndim(x: Any) -> int:
    return convert_to_tensor(x).ndim


def size(x: Any) -> int:
    return convert_to_tensor(x).numel()


def copy(x: Any) -> Any:
    return convert_to_tensor(x).clone()


def view(x: Any, dtype: Any = None) -> Any:
    """The same bytes as another dtype; the last axis grows or shrinks with the element."""
    x = convert_to_tensor(x)
    if dtype is None:
        return x
    wanted = to_plait_dtype(dtype)
    if wanted.itemsize == x.dtype.itemsize:
        return x.view(wanted)
    words, parts = _WORDS[x.dtype.itemsize], _WORDS[wanted.itemsize]
    if not x.ndim:
        raise ValueError(f"view: a tensor without axes cannot be viewed as {wanted.name}")
    if wanted.itemsize < x.dtype.itemsize:
        number = torch.arange(x.dtype.itemsize // wanted.itemsize)
        bits = x.clone().view(words).to(torch.int64)[..., None] >> (number * 8 * wanted.itemsize)
        made = (bits & (256**wanted.itemsize - 1)).to(parts)
        return made.reshape(*x.shape[:-1], -1).view(wanted)
    group = wanted.itemsize // x.dtype.itemsize
    if x.shape[-1] % group:
        raise ValueError(
            f"view: the last axis of shape {tuple(x.shape)} must be a multiple of {group} to view "
            f"{name_of(x)} as {wanted.name}"
        )
    bits = x.clone().view(words).to(torch.int64).reshape(*x.shape[:-1], -1, group)
    places = torch.arange(group) * 8 * x.dtype.itemsize
    return torch.sum(bits << places, -1).to(parts).view(wanted)


# -- shapes and axes -------------------------------------------------------------------------------


def reshape(x: Any, newshape: Any) -> Any:
    newshape = newshape if isinstance(newshape, (list, tuple)) else (newshape,)
    return convert_to_tensor(x).reshape([int(e) for e in newshape])


def ravel(x: Any) -> Any:
    return convert_to_tensor(x).reshape(-1)


def expand_dims(x: Any, axis: Any) -> Any:
    x = convert_to_tensor(x)
    given = tuple(axis) if isinstance(axis, (list, tuple)) else (axis,)
    for one in sorted(axes_of(given, x.ndim + len(given))):
        x = x.unsqueeze(one)
    return x


def squeeze(x: Any, axis: Any = None) -> Any:
    x = convert_to_tensor(x)
    if axis is None:
        return x.squeeze()
    for one in sorted(axes_of(axis, x.ndim), reverse=True):
        if x.shape[one] != 1:
            raise ValueError(
                f"Cannot squeeze axis={one}, because the dimension is not 1. "
                f"Received: shape={tuple(x.shape)}"
            )
        x = x.squeeze(one)
    return x


def transpose(x: Any, axes: Any = None) -> Any:
    x = convert_to_tensor(x)
    order = range(x.ndim - 1, -1, -1) if axes is None else axes
    return x.permute(*order) if x.ndim else x


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    return convert_to_tensor(x).swapaxes(axis1, axis2)


def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    return convert_to_tensor(x).movedim(source, destination)


def broadcast_to(x: Any, shape: Any) -> Any:
    return convert_to_tensor(x).broadcast_to(tuple(shape))


def flip(x: Any, axis: Any = None) -> Any:
    x = convert_to_tensor(x)
    return torch.flip(x, axes_of(axis, x.ndim))


def fliplr(x: Any) -> Any:
    return torch.fliplr(convert_to_tensor(x))


def flipud(x: Any) -> Any:
    return torch.flipud(convert_to_tensor(x))


def rot90(array: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """`array` turned k times by 90 degrees in the plane of two axes."""
    array = convert_to_tensor(array)
    if array.ndim < 2:
        raise ValueError(
            f"Input array must have at least 2 dimensions. Received: array.ndim={array.ndim}"
        )
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ValueError(f"Invalid axes: {axes}. Axes must be a tuple of two different dimensions.")
    return torch.rot90(array, k, axes)


def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    return torch.roll(convert_to_tensor(x), shift, axis)


# -- repeated ------------------------------------------------------------------------------------


def tile(x: Any, repeats: Any) -> Any:
    repeats = tuple(repeats) if isinstance(repeats, (list, tuple)) else (int(repeats),)
    return torch.tile(convert_to_tensor(x), tuple(int(r) for r in repeats))


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    x = convert_to_tensor(x)
    if not isinstance(repeats, int):
        repeats = convert_to_tensor(repeats)
        if repeats.numel() == 1:
            repeats = int(repeats)
    return torch.repeat_interleave(x, repeats, dim=axis)


# -- joining and splitting -------------------------------------------------------------------------


def concatenate(xs: Any, axis: int | None = 0) -> Any:
    tensors = _all_together(xs)
    if axis is None:
        tensors, axis = [x.reshape(-1) for x in tensors], 0
    return torch.cat(tensors, axis)


def append(x1: Any, x2: Any, axis: int | None = None) -> Any:
    return concatenate([x1, x2], axis)


def stack(x: Any, axis: int = 0) -> Any:
    return torch.stack(_all_together(x), axis)


def hstack(xs: Any) -> Any:
    return torch.hstack(_all_together(xs))


def vstack(xs: Any) -> Any:
    return torch.vstack(_all_together(xs))


def dstack(xs: Any) -> Any:
    return torch.dstack(_all_together(xs))


def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Equal parts, or the parts between indices. Raises ValueError where they are not equal."""
    x = convert_to_tensor(x)
    if isinstance(indices_or_sections, int):
        extent = x.shape[axis]
        if extent % indices_or_sections:
            raise ValueError(
                f"x of extent {extent} along axis={axis} cannot be split into "
                f"{indices_or_sections} equal parts"
            )
    return array_split(x, indices_or_sections, axis)


def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    x = convert_to_tensor(x)
    if not isinstance(indices_or_sections, int):
        given = indices_or_sections
        if isinstance(given, torch.Tensor):
            given = given.tolist()
        indices_or_sections = tuple(int(i) for i in given)
    return list(torch.tensor_split(x, indices_or_sections, dim=axis))


def hsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    x = convert_to_tensor(x)
    return split(x, indices_or_sections, 0 if x.ndim == 1 else 1)


def vsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    return split(x, indices_or_sections, 0)


def dsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    return split(x, indices_or_sections, 2)


# -- padding and diagonals ---------------------------------------------------------------------


def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    """x with elements before and after each axis; mode as in NumPy."""
    x = convert_to_tensor(x)
    if constant_values is not None and mode != "constant":
        raise ValueError(
            "Argument `constant_values` can only be provided when `mode == 'constant'`. "
            f"Received: mode={mode}"
        )
    widths = _widths(pad_width, x.ndim)
    if mode == "constant":
        flat = [w for pair in reversed(widths) for w in pair]
        value = 0 if constant_values is None else constant_values
        if isinstance(value, torch.Tensor) or hasattr(value, "dtype"):
            value = convert_to_tensor(value).item()
        return torch.nn.functional.pad(x, flat, value=value)
    for axis, (before, after) in enumerate(widths):
        if before or after:
            x = x.index_select(axis, _source(x.shape[axis], before, after, mode))
    return x


def _widths(pad_width: Any, axes: int) -> list[tuple[int, int]]:
    if isinstance(pad_width, torch.Tensor):
        pad_width = pad_width.tolist()
    if isinstance(pad_width, int):
        return [(pad_width, pad_width)] * axes
    pairs = [(p, p) if isinstance(p, int) else (int(p[0]), int(p[-1])) for p in pad_width]
    if len(pairs) == 2 and isinstance(pad_width[0], int):
        return [(int(pad_width[0]), int(pad_width[1]))] * axes
    return pairs * axes if len(pairs) == 1 else pairs


def _source(extent: int, before: int, after: int, mode: str) -> Any:
    """Where each element of a padded axis comes from."""
    place = torch.arange(-before, extent + after)
    if mode == "edge":
        return torch.clamp(place, 0, extent - 1)
    if mode == "wrap":
        return torch.remainder(place, extent)
    if mode == "reflect" and extent == 1:
        return torch.zeros_like(place)
    if mode == "reflect":
        place = torch.remainder(place, 2 * extent - 2)
        return torch.minimum(place, 2 * extent - 2 - place)
    if mode == "symmetric":
        place = torch.remainder(place, 2 * extent)
        return torch.minimum(place, 2 * extent - 1 - place)
    raise ValueError(f"Unsupported padding mode. Received: mode={mode}")


def diag(x: Any, k: int = 0) -> Any:
    return torch.diag(convert_to_tensor(x), k)


def diagflat(x: Any, k: int = 0) -> Any:
    return torch.diagflat(convert_to_tensor(x), k)


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return torch.diagonal(convert_to_tensor(x), offset, axis1, axis2)


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    from keras_plait.src.numpy.reductions import sum

    return sum(diagonal(x, offset, axis1, axis2), -1)


def tril(x: Any, k: int = 0) -> Any:
    return torch.tril(convert_to_tensor(x), k)


def triu(x: Any, k: int = 0) -> Any:
    return torch.triu(convert_to_tensor(x), k)


def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    return torch.diff(convert_to_tensor(a), n, axis)


def vectorize(pyfunc: Any, *, excluded: Any = None, signature: str | None = None) -> Any:
    """A function of arrays that applies `pyfunc` to their elements, or parts by `signature`."""
    return vectorize_impl(pyfunc, torch.vmap, excluded=excluded or set(), signature=signature)
