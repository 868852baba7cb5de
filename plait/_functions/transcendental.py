"""Exponentials, logarithms, roots, angles, and what is defined by their sides of zero."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from plait._functions.arithmetic import abs, mul, neg
from plait._functions.common import operand, public, tensor_argument
from plait._functions.comparison import eq, gt, lt
from plait._functions.elementwise import apply
from plait._functions.logic import logical_and, logical_or, where
from plait._promotion import float_result, result_type
from plait._tensor import Tensor
from plait.core.ir.errors import error
from plait.core.ir.op import Op
from plait.core.ops import elementwise as prim
from plait.core.ops import math as pmath
from plait.core.ops import pairs
from plait.core.ops.elementwise import cast


def _floating(name: str, op: Op, aliases: tuple[str, ...] = ()) -> Callable[..., Tensor]:
    def function(input: Tensor) -> Tensor:
        tensor_argument(name, "input", input)
        return op(cast(input, float_result(input)))

    function.__name__ = name
    function.__doc__ = f"Elementwise `{name}`; integers are converted to the default float dtype."
    return public(function, inplace=True, names=aliases, pure=True)


exp = _floating("exp", pmath.EXP)
exp2 = _floating("exp2", pmath.EXP2)
expm1 = _floating("expm1", pmath.EXPM1)
log = _floating("log", prim.LOG)
log2 = _floating("log2", pmath.LOG2)
log10 = _floating("log10", pmath.LOG10)
log1p = _floating("log1p", pmath.LOG1P)
sqrt = _floating("sqrt", pmath.SQRT)
rsqrt = _floating("rsqrt", pmath.RSQRT)
reciprocal = _floating("reciprocal", pmath.RECIPROCAL)
sin = _floating("sin", pmath.SIN)
cos = _floating("cos", pmath.COS)
tan = _floating("tan", pmath.TAN)
asin = _floating("asin", pmath.ASIN, ("arcsin",))
acos = _floating("acos", pmath.ACOS, ("arccos",))
atan = _floating("atan", pmath.ATAN, ("arctan",))
sinh = _floating("sinh", pmath.SINH)
cosh = _floating("cosh", pmath.COSH)
tanh = _floating("tanh", pmath.TANH)
asinh = _floating("asinh", pmath.ASINH, ("arcsinh",))
acosh = _floating("acosh", pmath.ACOSH, ("arccosh",))
atanh = _floating("atanh", pmath.ATANH, ("arctanh",))
sigmoid = _floating("sigmoid", pmath.SIGMOID)


@public(inplace=True, pure=True)
def relu(input: Tensor) -> Tensor:
    """max(input, 0)."""
    return pmath.RELU(input)


@public(inplace=True, names=("arctan2",))
def atan2(input: Any, other: Any) -> Tensor:
    """The angle of the point (other, input)."""
    tensor_argument("atan2", "input", input)
    tensor_argument("atan2", "other", other)
    return apply(prim.ATAN2, float_result(input, other), input, other)


@public(inplace=True)
def hypot(input: Tensor, other: Tensor) -> Tensor:
    """sqrt(input**2 + other**2), scaled against overflow; floats only."""
    tensor_argument("hypot", "other", other)
    dtype = result_type(input, other)
    if dtype.kind != "f":
        raise error(RuntimeError, f"hypot: not implemented for {dtype}, expected floats")
    return apply(pairs.HYPOT, dtype, input, other)


@public
def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(exp(input) + exp(other)) without overflow."""
    tensor_argument("logaddexp", "other", other)
    dtype = result_type(input, other)
    if dtype.kind != "f":
        raise error(RuntimeError, f"logaddexp: not implemented for {dtype}, expected floats")
    return apply(pairs.LOGADDEXP, dtype, input, other)


@public
def signbit(input: Tensor) -> Tensor:
    """Whether an element is negative, -0.0 included (a nan counts as positive)."""
    if input.dtype.kind == "b":
        return lt(input, input)
    below = lt(input, 0)
    if input.dtype.kind != "f":
        return below
    return logical_or(below, logical_and(eq(input, 0), lt(reciprocal(input), 0)))


@public(inplace=True)
def copysign(input: Tensor, other: Any) -> Tensor:
    """|input| with the sign of `other` (that of -0.0 included)."""
    other = operand("copysign", "other", other)
    size = abs(cast(input, float_result(input, other)))
    if isinstance(other, (bool, int, float)):
        return neg(size) if math.copysign(1.0, other) < 0 else size
    return where(signbit(other), neg(size), size)


@public(inplace=True)
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below zero, `values` at zero, 1 above."""
    tensor_argument("heaviside", "values", values)
    if input.dtype is not values.dtype:
        raise error(
            RuntimeError,
            "heaviside is not yet implemented for tensors with different dtypes, received "
            f"{input.dtype} and {values.dtype}",
        )
    return where(eq(input, 0), values, gt(input, 0).to(input.dtype))


@public(inplace=True)
def deg2rad(input: Tensor) -> Tensor:
    """Degrees to radians."""
    return mul(input, math.pi / 180)


@public(inplace=True)
def rad2deg(input: Tensor) -> Tensor:
    """Radians to degrees."""
    return mul(input, 180 / math.pi)
