"""Cumulative functions along an axis, differences, and the trapezoidal rule."""

from __future__ import annotations

from typing import Any

from plait import return_types
from plait._functions import pointwise as pw
from plait._functions.common import public, require_dtype
from plait._functions.joining import cat
from plait._functions.reduction import sum
from plait._functions.shape import slice_along
from plait._tensor import Tensor
from plait.core.functional.axes import normal_axis
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.ir.op import Op
from plait.core.ops import scan
from plait.core.ops.elementwise import cast
from plait.core.ops.view import reshape


def _line(name: str, input: Tensor, dim: int) -> tuple[Tensor, int]:
    """The input with at least one axis, and the normal axis."""
    axis = normal_axis(dim, input.ndim, name)
    return (input, axis) if input._shape else (reshape(input, (1,)), 0)


def _total(name: str, op: Op, input: Tensor, dim: int, dtype: Any, **attrs: Any) -> Tensor:
    wanted = require_dtype(name, dtype)
    if wanted is None:
        wanted = dtypes.int64 if input.dtype.kind in "biu" else input.dtype
    value, axis = _line(name, cast(input, wanted), dim)
    return reshape(op(value, axis=axis, **attrs), input._shape)


@public(inplace=True)
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The sums of all elements up to each; integers and bools sum as int64."""
    return _total("cumsum", scan.CUMSUM, input, dim, dtype, reverse=False)


@public(inplace=True)
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The products of all elements up to each; integers and bools multiply as int64."""
    return _total("cumprod", scan.CUMPROD, input, dim, dtype)


@public
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """log of the cumulative sums of exp, without overflow."""
    if input.dtype.kind != "f":
        raise error(
            NotImplementedError,
            f'"logcumsumexp_out_cpu" not implemented for {input.dtype}: expected a floating tensor',
        )
    value, axis = _line("logcumsumexp", input, dim)
    return reshape(scan.LOGCUMSUMEXP(value, axis=axis), input._shape)


def _running(name: str, op: Op, kind: Any) -> Any:
    def running(input: Tensor, dim: int) -> Any:
        value, axis = _line(name, input, dim)
        return kind([reshape(part, input._shape) for part in op(value, axis=axis)])

    running.__name__ = name
    running.__doc__ = "The extremum of all elements up to each, and its (last) position."
    return public(running)


cummax = _running("cummax", scan.CUMMAX, return_types.cummax)
cummin = _running("cummin", scan.CUMMIN, return_types.cummin)


@public
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """The n-th differences of neighbours along an axis, after joining prepend and append."""
    if not input._shape:
        raise error(RuntimeError, "diff expects input to be at least one-dimensional")
    if n < 0:
        raise error(RuntimeError, f"order must be non-negative but got {n}")
    axis = normal_axis(dim, input.ndim, "diff")
    parts = [x for x in (prepend, input, append) if x is not None]
    if n == 0:
        return input.clone()
    value = cat(parts, axis) if len(parts) > 1 else input
    for _ in range(min(n, value._shape[axis])):
        after, before = _neighbours(value, axis)
        value = pw.logical_xor(after, before) if value.dtype.kind == "b" else pw.sub(after, before)
    return value.clone() if value is input else value


def _neighbours(value: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """All elements but the first, and all but the last."""
    size = value._shape[axis]
    first = min(1, size)
    after = slice_along(value, axis, first, size, 1)
    return after, slice_along(value, axis, 0, max(size - 1, 0), 1)


def _strips(name: str, y: Tensor, x: Any, dx: Any, dim: int) -> tuple[Tensor, int]:
    """The areas between neighbours, and the axis."""
    if x is not None and dx is not None:
        raise error(TypeError, f"{name}(): give either x or dx, not both")
    axis = normal_axis(dim, y.ndim, name)
    after, before = _neighbours(y, axis)
    heights = pw.add(after, before)
    if x is None:
        return pw.mul(heights, 0.5 * (1 if dx is None else dx)), axis
    if x.ndim == 1 and y.ndim > 1:
        x = reshape(x, tuple([x._shape[0] if i == axis else 1 for i in range(y.ndim)]))
    of_x = normal_axis(dim, x.ndim, name)
    if x._shape[of_x] != y._shape[axis]:
        raise error(
            RuntimeError,
            f"{name}(): There must be one `x` value for each sample point, received shapes "
            f"{list(x.shape)} and {list(y.shape)}",
        )
    right, left = _neighbours(x, of_x)
    return pw.mul(pw.mul(heights, pw.sub(right, left)), 0.5), axis


@public(method=False, names=("trapz",))
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral by the trapezoidal rule: sample points `x`, or `dx` apart (1)."""
    areas, axis = _strips("trapezoid", y, x, dx, dim)
    return sum(areas, axis)


@public(method=False)
def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1
) -> Tensor:
    """The integral up to each sample point but the first."""
    areas, axis = _strips("cumulative_trapezoid", y, x, dx, dim)
    return cumsum(areas, axis)
