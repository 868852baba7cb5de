"""Views as copies, and tensors with another value in the place of one of their views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait._functions import shape as views
from plait._functions.common import attach, public
from plait._functions.creation import arange, empty, empty_strided
from plait._functions.reduction import sum as total
from plait._tensor import Tensor
from plait.core.ir.errors import error


def _copy_of(name: str, view: Callable[..., Any]) -> Callable[..., Any]:
    def copied(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        made = view(input, *args, **kwargs)
        if isinstance(made, (tuple, list)):
            return tuple([part.clone() for part in made])
        return made.clone()

    copied.__name__ = f"{name}_copy"
    copied.__doc__ = f"`{name}` as a tensor of its own."
    return public(copied, method=name == "narrow")


for _name in (
    "as_strided", "diagonal", "expand", "narrow", "permute", "select", "split", "squeeze", "t",
    "transpose", "unbind", "unfold", "unsqueeze", "view",
):  # fmt: skip
    _copy_of(_name, getattr(views, _name))
_copy_of("split_with_sizes", views.split)
_copy_of("alias", lambda input: input)
_copy_of("detach", lambda input: input.detach())


def _require_shape(name: str, view: Tensor, src: Tensor) -> None:
    if view.shape != src.shape:
        raise error(
            RuntimeError,
            f"expected src to have a size equal to the slice of self. src size = "
            f"{list(src.shape)}, slice size = {list(view.shape)} ({name})",
        )


def _written(name: str, input: Tensor, src: Tensor, view: Callable[[Tensor], Tensor]) -> Tensor:
    made = input.clone()
    place = view(made)
    _require_shape(name, place, src)
    place.copy_(src)
    return made


@public
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """`input` with `src` in the place of `input.select(dim, index)`."""
    return _written("select_scatter", input, src, lambda x: views.select(x, dim, index))


@public
def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """`input` with `src` in the place of a slice along `dim`."""
    key = (slice(None),) * (dim % max(input.ndim, 1)) + (slice(start, end, step),)
    return _written("slice_scatter", input, src, lambda x: x[key])


@public
def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """`input` with `src` on a diagonal."""
    return _written("diagonal_scatter", input, src, lambda x: views.diagonal(x, offset, dim1, dim2))


def _fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Write `fill_value` where all indices are equal; wrap: in a tall matrix, again below it.

    Raises RuntimeError for fewer than two dimensions, and for more of unequal lengths.
    """
    if self.ndim < 2:
        raise error(RuntimeError, "dimensions must larger than 1")
    if self.ndim > 2 and len(set(self.shape)) > 1:
        raise error(
            RuntimeError,
            "all dimensions of input must be of equal length (fill_diagonal_ of shape "
            f"{list(self.shape)})",
        )
    if wrap and self.ndim == 2:
        rows, columns = self.shape
        places = arange(0, rows * columns, columns + 1)
        key = (places // columns, places % columns)
    else:
        key = (arange(min(self.shape)),) * self.ndim
    self[key] = fill_value
    return self


@public
def as_strided_scatter(
    input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Tensor:
    """`input` with `src` in the place of `input.as_strided(size, stride, storage_offset)`."""
    return _written(
        "as_strided_scatter",
        input,
        src,
        lambda x: views.as_strided(x, size, stride, storage_offset),
    )


def _sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """The sum over the axes along which `size` would be expanded to this shape."""
    wanted = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    lead = self.ndim - len(wanted)
    fits = lead >= 0 and all(w in (1, n) for w, n in zip(wanted, self.shape[lead:]))
    if not fits:
        raise error(
            RuntimeError,
            f"size {{{list(wanted)}}} is not expandable to size {{{list(self.shape)}}}.",
        )
    axes = [*range(lead), *[i + lead for i, w in enumerate(wanted) if w != self.shape[i + lead]]]
    return total(self, axes, keepdim=True).reshape(wanted) if axes else self


def _new_empty_strided(self: Tensor, size: Any, stride: Any, **kwargs: Any) -> Tensor:
    """An uninitialised tensor with these strides, of this dtype."""
    return empty_strided(size, stride, dtype=kwargs.pop("dtype", None) or self.dtype, **kwargs)


attach(
    sum_to_size=_sum_to_size,
    new_empty_strided=_new_empty_strided,
    fill_diagonal_=_fill_diagonal_,
)


@public(method=False)
def empty_permuted(size: Any, physical_layout: Any, **kwargs: Any) -> Tensor:
    """An uninitialised tensor whose axes lie in memory in the order `physical_layout`."""
    order = [int(axis) for axis in physical_layout]
    if len(order) != len(size):
        raise error(
            RuntimeError,
            f"Number of dimensions in size does not match the length of the physical_layout; i.e. "
            f"len(size) = {len(size)} is not equal to len(physical_layout) = {len(order)}",
        )
    for axis in order:
        if not 0 <= axis < len(size):
            raise error(
                RuntimeError,
                f"Dimension out of range (expected to be between 0 and {len(size) - 1}, but got "
                f"{axis}). NOTE: empty_permuted does not support negative dims.",
            )
    if len(set(order)) != len(order):
        raise error(RuntimeError, f"Duplicate dim not allowed: {order}")
    made = empty([size[axis] for axis in order], **kwargs)
    return made.permute([order.index(axis) for axis in range(len(order))])
