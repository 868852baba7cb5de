"""Common divisors and multiples, places of flat indices, matrices of powers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from plait._functions import pointwise as pw
from plait._functions.common import both_operands, public, tensor_argument
from plait._functions.creation import arange
from plait._promotion import result_type
from plait._tensor import Tensor
from plait.core.ir.errors import error
from plait.core.ops.elementwise import GCD


def _integers(name: str, input: Any, other: Any) -> tuple[Tensor, Tensor, Any]:
    input, other = both_operands(name, input, other)
    dtype = result_type(input, other)
    if dtype.kind not in "iu":
        raise error(
            NotImplementedError, f'"{name}_cpu" not implemented for {dtype}: expected integers'
        )
    return input, other, dtype


@public(inplace=True)
def gcd(input: Tensor, other: Tensor) -> Tensor:
    """The greatest common divisor, elementwise; gcd(0, 0) is 0.

    Raises NotImplementedError for other than integers, as PyTorch does.
    """
    input, other, dtype = _integers("gcd", input, other)
    return pw.apply(GCD, dtype, input, other)


@public(inplace=True)
def lcm(input: Tensor, other: Tensor) -> Tensor:
    """The least common multiple, elementwise; 0 where one of the two is 0.

    Raises NotImplementedError for other than integers, as PyTorch does.
    """
    input, other, dtype = _integers("lcm", input, other)
    divisor = pw.apply(GCD, dtype, input, other)
    whole = pw.div(input, pw.clamp(divisor, 1), rounding_mode="floor")
    return pw.abs(pw.mul(whole, other))


@public(method=False)
def unravel_index(indices: Tensor, shape: int | Sequence[int]) -> tuple[Tensor, ...]:
    """The places, by axes, of flat `indices` into a row-major tensor of `shape`.

    Raises ValueError for negative extents, TypeError for indices that are no integers.
    """
    tensor_argument("unravel_index", "indices", indices)
    if indices.dtype.kind not in "iu":
        raise error(TypeError, f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    extents = (shape,) if isinstance(shape, int) else tuple([int(extent) for extent in shape])
    if any(extent < 0 for extent in extents):
        raise error(ValueError, f"unravel_index: 'shape' cannot have negative values: {extents}")
    places = []
    count = math.prod(extents)
    for extent in extents:
        count //= max(extent, 1)
        place = pw.div(indices, count, rounding_mode="floor")
        places.append(pw.remainder(place, extent))
    return tuple(places)


@public(method=False)
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The matrix of the powers N-1 .. 0 of the elements of a vector; 0 .. N-1 if `increasing`.

    Raises RuntimeError for other than vectors and for a negative N.
    """
    tensor_argument("vander", "x", x)
    if x.ndim != 1:
        raise error(
            RuntimeError, f"x must be a one-dimensional tensor, but got shape {list(x.shape)}"
        )
    count = x.shape[0] if N is None else N
    if count < 0:
        raise error(RuntimeError, "N must be non-negative.")
    powers: Any = arange(count)
    if not increasing:
        powers = powers.flip(0)
    return pw.pow(x.unsqueeze(-1), powers)  # type: ignore[attr-defined]  # attached by `shape`
