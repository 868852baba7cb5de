"""Reductions and normalisations of the elements that a mask lets through (`torch.masked`).

Each takes `mask`, a bool tensor that is broadcast to the input: elements where it is False count as
if they were not there. Where nothing is left, a reduction gives its identity (nan for means).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from plait._functions import cumulative, pointwise, reduction, sorting
from plait._functions.creation import full_like
from plait._functions.norms import norm as _plain_norm
from plait._tensor import Tensor
from plait.core.ir.errors import error
from plait.core.ops.elementwise import cast
from plait.nn import functional as F

__all__ = [
    "amax",
    "amin",
    "argmax",
    "argmin",
    "cumprod",
    "cumsum",
    "log_softmax",
    "logaddexp",
    "logsumexp",
    "mean",
    "median",
    "norm",
    "normalize",
    "prod",
    "softmax",
    "softmin",
    "std",
    "sum",
    "var",
]


def _axes(input: Tensor, dim: Any) -> tuple[int, ...]:
    if dim is None or (isinstance(dim, tuple) and not dim):
        return tuple(range(input.ndim))
    given = (dim,) if isinstance(dim, int) else tuple(dim)
    return tuple([axis % max(input.ndim, 1) for axis in given])


def _masked(input: Tensor, mask: Any, fill: Any) -> Tensor:
    """The input with `fill` where the mask is False."""
    if mask is None:
        return input
    if mask.dtype.kind != "b":
        raise error(TypeError, f"masked: expected a bool mask, received {mask.dtype}")
    return pointwise.where(mask, input, full_like(input, fill))


def _cast(input: Tensor, dtype: Any) -> Tensor:
    return input if dtype is None else input.to(dtype)


def _lowest(input: Tensor) -> Any:
    if input.dtype.kind == "f":
        return -math.inf
    from plait._types import iinfo

    return iinfo(input.dtype).min


def _highest(input: Tensor) -> Any:
    if input.dtype.kind == "f":
        return math.inf
    from plait._types import iinfo

    return iinfo(input.dtype).max


def sum(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Tensor:
    """The sum of what the mask lets through; 0 of nothing."""
    x = _masked(_cast(input, dtype), mask, 0)
    return reduction.sum(x, _axes(input, dim), keepdim=keepdim) if input.ndim else x.clone()


def prod(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Tensor:
    """The product of what the mask lets through; 1 of nothing."""
    x = _masked(_cast(input, dtype), mask, 1)
    for axis in sorted(_axes(input, dim), reverse=True):
        x = reduction.prod(x, axis, keepdim=keepdim)
    return x


def _extreme(name: str, reduce: Callable[..., Tensor], limit: Callable[[Tensor], Any]) -> Any:
    def extreme(
        input: Tensor,
        dim: Any = None,
        *,
        keepdim: bool = False,
        dtype: Any = None,
        mask: Any = None,
    ) -> Tensor:
        x = _cast(input, dtype)
        x = _masked(x, mask, limit(x))
        return reduce(x, _axes(input, dim), keepdim=keepdim) if input.ndim else x.clone()

    extreme.__name__ = name
    extreme.__doc__ = f"`{name}` of what the mask lets through."
    return extreme


amax = _extreme("amax", reduction.amax, _lowest)
amin = _extreme("amin", reduction.amin, _highest)


def _place(name: str, reduce: Callable[..., Tensor], limit: Callable[[Tensor], Any]) -> Any:
    def place(
        input: Tensor,
        dim: int | None = None,
        *,
        keepdim: bool = False,
        dtype: Any = None,
        mask: Any = None,
    ) -> Tensor:
        x = _cast(input, dtype)
        return cast(reduce(_masked(x, mask, limit(x)), dim, keepdim=keepdim), x.dtype)

    place.__name__ = name
    place.__doc__ = (
        f"`{name}` of what the mask lets through: its place along the axis, in the input's dtype, "
        "as PyTorch gives it."
    )
    return place


argmax = _place("argmax", reduction.argmax, _lowest)
argmin = _place("argmin", reduction.argmin, _highest)


def _count(input: Tensor, dim: Any, keepdim: bool, mask: Any) -> Tensor:
    ones = full_like(input.detach(), 1)
    return sum(ones, dim, keepdim=keepdim, mask=mask)


def mean(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Tensor:
    """The mean of what the mask lets through; nan of nothing."""
    x = _cast(input, dtype)
    return sum(x, dim, keepdim=keepdim, mask=mask) / _count(x, dim, keepdim, mask)


def median(
    input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Tensor:
    """The lower median of what the mask lets through, along one axis."""
    x = _cast(input, dtype)
    if mask is None:
        return sorting.median(x, dim, keepdim=keepdim).values
    return sorting.nanmedian(_masked(x, mask, math.nan), dim, keepdim=keepdim).values


def norm(
    input: Tensor,
    ord: float | None = 2.0,
    dim: Any = None,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Tensor:
    """The vector norm of what the mask lets through."""
    order = 2.0 if ord is None else float(ord)
    fill = math.inf if order == -math.inf or order < 0 else 0
    x = _masked(_cast(input, dtype), mask, fill)
    return _plain_norm(x, order, _axes(input, dim), keepdim=keepdim)


def var(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Tensor:
    """The variance of what the mask lets through (divided by its number less `correction`)."""
    x = _cast(input, dtype)
    if correction is None:
        correction = 1.0 if unbiased is None or unbiased else 0.0
    count = _count(x, dim, True, mask)
    deviation = x - sum(x, dim, keepdim=True, mask=mask) / count
    squares = sum(deviation * deviation, dim, keepdim=keepdim, mask=mask)
    rest = _count(x, dim, keepdim, mask) - correction
    return squares / pointwise.clamp_min(rest, 0)


def std(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Tensor:
    """The square root of `var`."""
    found = var(
        input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask
    )
    return pointwise.sqrt(found)


def cumsum(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """Running sums; elements that the mask holds back add nothing."""
    return cumulative.cumsum(_masked(_cast(input, dtype), mask, 0), dim)


def cumprod(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """Running products; elements that the mask holds back change nothing."""
    return cumulative.cumprod(_masked(_cast(input, dtype), mask, 1), dim)


def logsumexp(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Tensor:
    """The logarithm of the sum of exponentials of what the mask lets through."""
    x = _cast(input, dtype)
    return reduction.logsumexp(_masked(x, mask, -math.inf), _axes(input, dim), keepdim=keepdim)


def logaddexp(
    input: Tensor,
    other: Tensor,
    *,
    dtype: Any = None,
    input_mask: Any = None,
    other_mask: Any = None,
) -> Tensor:
    """log(exp(input) + exp(other)) of what the two masks let through."""
    a = _masked(_cast(input, dtype), input_mask, -math.inf)
    b = _masked(_cast(other, dtype), other_mask, -math.inf)
    return pointwise.logaddexp(a, b)


def softmax(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """Softmax along an axis over what the mask lets through."""
    return F.softmax(_masked(_cast(input, dtype), mask, -math.inf), dim)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """The logarithm of `softmax`."""
    return F.log_softmax(_masked(_cast(input, dtype), mask, -math.inf), dim)


def softmin(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """Softmax of the negative values."""
    return F.softmax(pointwise.neg(_masked(_cast(input, dtype), mask, math.inf)), dim)


def normalize(
    input: Tensor,
    ord: float,
    dim: int,
    *,
    eps: float = 1e-12,
    dtype: Any = None,
    mask: Any = None,
) -> Tensor:
    """What the mask lets through, divided by its norm along an axis (at least `eps`)."""
    x = _cast(input, dtype)
    size = pointwise.clamp_min(norm(x, ord, dim, keepdim=True, mask=mask), eps)
    return _masked(x, mask, 0) / size
