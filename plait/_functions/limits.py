"""The larger and the smaller, limits, closeness, and ways between two values."""

from __future__ import annotations

from typing import Any

from plait._functions.arithmetic import abs, add, mul, rsub, sub
from plait._functions.common import operand, public, tensor_argument
from plait._functions.comparison import eq, ge, gt, le, lt
from plait._functions.elementwise import promoted
from plait._functions.logic import isfinite, isnan, logical_and, logical_or, where
from plait._promotion import result_type
from plait._tensor import Tensor
from plait.core.functional import arithmetic as fn
from plait.core.functional.broadcasting import Number
from plait.core.functional.numbers import fitting_number
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error
from plait.core.ops import elementwise as prim
from plait.core.ops.elementwise import cast


@public
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """|input - other| <= atol + rtol * |other|."""
    if input.dtype is not other.dtype:
        raise error(RuntimeError, f"{input.dtype} did not match {other.dtype} in isclose")
    for name, bound in (("rtol", rtol), ("atol", atol)):
        if bound < 0:
            raise error(
                RuntimeError, f"{name} must be greater than or equal to zero, but got {bound}"
            )
    close = eq(input, other)
    if equal_nan and input.dtype.kind in "fc":
        close = logical_or(close, logical_and(isnan(input), isnan(other)))
    if input.dtype.kind == "b":
        return close
    bound = add(mul(abs(other), rtol), atol)
    near = le(abs(sub(input, other)), bound)
    finite = isfinite(other) if other.dtype.kind in "fc" else None
    return logical_or(close, near if finite is None else logical_and(near, finite))


@public
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether all elements are close (see `isclose`)."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all().item())


@public(pure=True)
def maximum(input: Any, other: Any) -> Tensor:
    """The larger of each pair; nan wins."""
    tensor_argument("maximum", "input", input)
    return promoted(prim.MAXIMUM, input, tensor_argument("maximum", "other", other))


@public(pure=True)
def minimum(input: Any, other: Any) -> Tensor:
    """The smaller of each pair; nan wins."""
    tensor_argument("minimum", "input", input)
    return promoted(prim.MINIMUM, input, tensor_argument("minimum", "other", other))


@public
def fmax(input: Any, other: Any) -> Tensor:
    """The larger of each pair; a number wins over nan."""
    tensor_argument("fmax", "other", other)
    best = maximum(input, other)
    if best.dtype.kind != "f":
        return best
    return where(logical_or(ge(input, other), isnan(other)), input, other)


@public
def fmin(input: Any, other: Any) -> Tensor:
    """The smaller of each pair; a number wins over nan."""
    tensor_argument("fmin", "other", other)
    best = minimum(input, other)
    if best.dtype.kind != "f":
        return best
    return where(logical_or(le(input, other), isnan(other)), input, other)


@public(inplace=True, names=("clip",), pure=True)
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Limit to [min, max]; numbers or tensors."""
    if min is None and max is None:
        raise error(RuntimeError, "torch.clamp: At least one of 'min' or 'max' must not be None")
    bounds = [operand("clamp", "bound", b) for b in (min, max) if b is not None]
    dtype = result_type(input, *bounds)
    low, high = [b if b is None else _bound(b, dtype) for b in (min, max)]
    value: Any = cast(input, dtype)
    fixed: list[Any] = [x.detach() if isinstance(x, Tensor) else x for x in (value, low, high)]
    limited = _limited(*fixed)
    # The gradient passes on the bounds too, and to none where anything is nan, as in PyTorch.
    inside = None if low is None else ge(value, low)
    if high is not None:
        below = le(value, high)
        inside = below if inside is None else logical_and(inside, below)
    result = where(inside, value, limited)
    if isinstance(low, Tensor) and low.requires_grad:
        taken = lt(value, low)
        result = where(taken if high is None else logical_and(taken, lt(low, high)), low, result)
    if isinstance(high, Tensor) and high.requires_grad:
        taken = gt(value, high)
        if low is not None:
            taken = logical_or(taken, logical_and(lt(high, low), eq(value, value)))
        result = where(taken, high, result)
    return result


def _bound(bound: Any, dtype: DType) -> Any:
    """A bound in the dtype that limits are taken in."""
    return fitting_number(bound, dtype) if isinstance(bound, Number) else cast(bound, dtype)


def _limited(value: Tensor, low: Any, high: Any) -> Tensor:
    """min(max(value, low), high); nan wins."""
    if low is not None:
        value = fn.maximum(value, low)
    return value if high is None else fn.minimum(value, high)


@public(inplace=True, pure=True)
def clamp_min(input: Tensor, min: Any) -> Tensor:
    """Limit from below."""
    return clamp(input, min=min)


@public(inplace=True, pure=True)
def clamp_max(input: Tensor, max: Any) -> Tensor:
    """Limit from above."""
    return clamp(input, max=max)


@public(inplace=True, pure=True)
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input); from the nearer end for accuracy, as PyTorch does."""
    difference = sub(end, input)
    if isinstance(weight, (bool, int, float)):
        if weight < 0.5:
            return add(input, mul(difference, weight))
        return sub(end, mul(difference, 1 - weight))
    near = add(input, mul(weight, difference))
    far = sub(end, mul(difference, rsub(weight, 1)))
    return where(lt(abs(weight), 0.5), near, far)
