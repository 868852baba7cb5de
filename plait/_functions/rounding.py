"""Whole numbers near elements."""

from __future__ import annotations

import math
from collections.abc import Callable

from plait._functions.arithmetic import div, mul, sub
from plait._functions.common import public
from plait._tensor import Tensor
from plait.core.ir.op import Op
from plait.core.ops import elementwise as prim


def _rounding(name: str, op: Op, aliases: tuple[str, ...] = ()) -> Callable[..., Tensor]:
    def rounding(input: Tensor) -> Tensor:
        return input if input.dtype.kind in "biu" else op(input)

    rounding.__name__ = name
    rounding.__doc__ = f"Elementwise `{name}`; integers are unchanged."
    return public(rounding, inplace=True, names=aliases)


floor = _rounding("floor", prim.FLOOR)
ceil = _rounding("ceil", prim.CEIL)
trunc = _rounding("trunc", prim.TRUNC, ("fix",))


@public(inplace=True)
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """To the nearest integer, halves to even; `decimals` as in Python's round."""
    if input.dtype.kind in "biu":
        return input
    if decimals == 0:
        return prim.ROUND(input)
    scale = 10.0 ** math.fabs(decimals)
    if decimals > 0:
        return div(prim.ROUND(mul(input, scale)), scale)
    return mul(prim.ROUND(div(input, scale)), scale)


@public(inplace=True)
def frac(input: Tensor) -> Tensor:
    """The fractional part, with the sign of the input."""
    return sub(input, trunc(input))
