"""Powers of two, and the floats next to a float."""

from __future__ import annotations

from typing import Any

from plait import return_types
from plait._functions.common import public, tensor_argument
from plait._functions.creation import full_like, zeros_like
from plait._functions.elementwise import apply
from plait._functions.pointwise import (
    abs,
    exp2,
    floor,
    isfinite,
    isnan,
    log2,
    mul,
    where,
)
from plait._promotion import float_result
from plait._tensor import Tensor
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.ops.elementwise import cast
from plait.core.ops.pairs import LOGADDEXP2
from plait.core.ops.view import BITCAST


def _floats(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    wanted = float_result(a, b)
    return cast(a, wanted), cast(b, wanted)


@public(inplace=True)
def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """input * 2^other."""
    tensor_argument("ldexp", "other", other)
    power = other if other.dtype.kind == "f" else cast(other, dtypes.float32)
    return mul(input, exp2(power))


@public
def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """log2(2^input + 2^other), without overflow."""
    return apply(LOGADDEXP2, float_result(input, other), input, other)


@public
def frexp(input: Tensor) -> Any:
    """(mantissa, int32 exponent): input = mantissa * 2^exponent, 0.5 <= |mantissa| < 1."""
    if input.dtype.kind != "f":
        raise error(RuntimeError, "torch.frexp() only supports floating-point dtypes")
    fixed = input.detach()
    usual = isfinite(fixed) & (fixed != 0)
    size = where(usual, abs(fixed), full_like(fixed, 0.5))
    exponent = floor(log2(size)) + 1
    # The logarithm is rounded: it may be one too far next to a power of two.
    share = size * exp2(-exponent)
    exponent = exponent + (share >= 1).to(fixed.dtype) - (share < 0.5).to(fixed.dtype)
    mantissa = where(usual, input * exp2(-exponent), input)
    exponent = where(usual, exponent, zeros_like(exponent))
    return return_types.frexp((mantissa, cast(exponent, dtypes.int32)))


@public(inplace=True)
def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """The next float after each element towards `other`."""
    a, b = _floats(input, other)
    whole = dtypes.int64 if a.dtype is dtypes.float64 else dtypes.int32
    if a.dtype not in (dtypes.float32, dtypes.float64):
        raise error(RuntimeError, f"\"nextafter\" not implemented for '{a.dtype.name}'")
    tracked = a
    a, b = a.detach(), b.detach()
    bits = BITCAST(a, dtype=whole)
    outwards = (b > a) == (a > 0)
    stepped = BITCAST(where(outwards, bits + 1, bits - 1), dtype=a.dtype)
    least = BITCAST(full_like(bits, 1), dtype=a.dtype)
    from_zero = where(b > 0, least, -least)
    moved = where(a == 0, from_zero, stepped)
    same = where(a == b, b, moved)
    found = where(isnan(a), a, where(isnan(b), b, same))
    # The derivative is that of the identity.
    return tracked + (found - a) if tracked.requires_grad else found
