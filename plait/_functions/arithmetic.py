"""Sums, products, quotients, powers, signs and sizes of elements."""

from __future__ import annotations

from typing import Any

from plait._functions.common import both_operands, public, tensor_argument
from plait._functions.elementwise import apply, promoted
from plait._promotion import float_result, result_type
from plait._tensor import Tensor
from plait.core.functional.broadcasting import Number
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error
from plait.core.ops import elementwise as prim
from plait.core.ops import math as pmath
from plait.core.ops.complex_parts import CONJ
from plait.core.ops.elementwise import cast


def _is_bool(x: Any) -> bool:
    return isinstance(x, bool) if isinstance(x, Number) else x.dtype.kind == "b"


def _scaled_by(name: str, value: Any, alpha: Any, dtype: DType) -> Any:
    if alpha == 1:
        return value
    if isinstance(alpha, float) and dtype.kind in "biu":
        raise error(
            RuntimeError,
            f"{name}: For integral input tensors, argument alpha must not be a floating point "
            f"number, received alpha={alpha}",
        )
    return value * alpha if isinstance(value, Number) else apply(prim.MUL, dtype, value, alpha)


@public(inplace=True, pure=True)
def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input + alpha * other."""
    input, other = both_operands("add", input, other)
    dtype = result_type(input, other)
    other = _scaled_by("add", other, alpha, dtype)
    return apply(prim.OR if dtype.kind == "b" else prim.ADD, dtype, input, other)


@public(inplace=True, names=("subtract",), pure=True)
def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input - alpha * other."""
    input, other = both_operands("sub", input, other)
    dtype = result_type(input, other)
    if any(_is_bool(x) for x in (input, other)):
        raise error(
            RuntimeError,
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying "
            "to invert a mask, use the `~` or `logical_not()` operator instead. (in sub)",
        )
    return apply(prim.SUB, dtype, input, _scaled_by("sub", other, alpha, dtype))


@public(pure=True)
def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """other - alpha * input."""
    tensor_argument("rsub", "input", input)
    return sub(other, input, alpha=alpha)


@public(inplace=True, names=("multiply",), pure=True)
def mul(input: Any, other: Any) -> Tensor:
    """input * other."""
    input, other = both_operands("mul", input, other)
    dtype = result_type(input, other)
    return apply(prim.AND if dtype.kind == "b" else prim.MUL, dtype, input, other)


@public(inplace=True, names=("divide",), pure=True)
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other; rounding_mode "trunc" or "floor" rounds the quotient."""
    input, other = both_operands("div", input, other)
    if rounding_mode is None:
        return apply(prim.DIV, float_result(input, other), input, other)
    if rounding_mode == "trunc":
        return apply(prim.TRUNC_DIV, result_type(input, other), input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    raise error(
        RuntimeError,
        "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
        f"'{rounding_mode}'",
    )


@public(inplace=True, pure=True)
def true_divide(input: Any, other: Any) -> Tensor:
    """input / other, always floating."""
    return div(input, other)


@public(inplace=True, pure=True)
def floor_divide(input: Any, other: Any) -> Tensor:
    """floor(input / other)."""
    return promoted(prim.FLOOR_DIV, input, other)


@public(inplace=True, pure=True)
def remainder(input: Any, other: Any) -> Tensor:
    """input - floor(input / other) * other: the sign of `other`, as in Python."""
    return promoted(prim.REMAINDER, input, other)


@public(inplace=True)
def fmod(input: Any, other: Any) -> Tensor:
    """input - trunc(input / other) * other: the sign of `input`, as in C."""
    return promoted(prim.FMOD, tensor_argument("fmod", "input", input), other)


@public(inplace=True, pure=True)
def pow(input: Any, exponent: Any) -> Tensor:
    """input ** exponent."""
    input, exponent = both_operands("pow", input, exponent)
    dtype = result_type(input, exponent)
    if isinstance(exponent, Number) and not isinstance(exponent, complex):
        if dtype.kind in "iu" and exponent < 0:
            raise error(RuntimeError, "Integers to negative integer powers are not allowed.")
        if exponent == 2:
            value = cast(input, dtype)
            return prim.MUL(value, value)
        if exponent == 1:
            return prim.ALIAS(cast(input, dtype))
        if dtype.kind == "f":
            simple = {0.5: pmath.SQRT, -0.5: pmath.RSQRT, -1: pmath.RECIPROCAL}.get(exponent)
            if simple is not None:
                return simple(cast(input, dtype))
    return apply(prim.POW, dtype, input, exponent)


@public(inplace=True)
def float_power(input: Any, exponent: Any) -> Tensor:
    """input ** exponent in double precision."""
    input, exponent = both_operands("float_power", input, exponent)
    real = result_type(input, exponent).kind != "c"
    return apply(prim.POW, dtypes.float64 if real else dtypes.complex128, input, exponent)


@public(inplace=True, pure=True)
def square(input: Tensor) -> Tensor:
    """input * input; of bools as int64."""
    value = cast(input, dtypes.int64) if input.dtype.kind == "b" else input
    return prim.MUL(value, value)


@public(inplace=True, names=("negative",), pure=True)
def neg(input: Tensor) -> Tensor:
    """-input."""
    if input.dtype.kind == "b":
        raise error(
            RuntimeError,
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
            "invert a mask, use the `~` or `logical_not()` operator instead. (in neg)",
        )
    return prim.NEG(input)


@public
def positive(input: Tensor) -> Tensor:
    """input itself."""
    if input.dtype.kind == "b":
        raise error(RuntimeError, "The `+` operator, on a bool tensor is not supported.")
    return input


@public(inplace=True, names=("absolute",), pure=True)
def abs(input: Tensor) -> Tensor:
    """The absolute value; of complex numbers their size, which is real."""
    if input.dtype.is_complex:
        from plait._functions.conjugation import modulus  # it builds on this module

        return modulus(input)
    return input if input.dtype.kind == "b" else prim.ABS(input)


def conjugate(input: Tensor) -> Tensor:
    """The complex conjugate; a real tensor itself."""
    return CONJ(input) if input.dtype.is_complex else input


@public(inplace=True, pure=True)
def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1; nan stays nan."""
    return input if input.dtype.kind == "b" else prim.SIGN(input)


@public(inplace=True)
def sgn(input: Tensor) -> Tensor:
    """The sign; complex numbers scaled to size 1, and 0."""
    if input.dtype.is_complex:
        from plait._functions.conjugation import direction  # it builds on this module

        return direction(input)
    return sign(input)


@public(inplace=True, pure=True)
def addcmul(input: Tensor, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 * tensor2."""
    return add(input, mul(tensor1, tensor2), alpha=value)


@public(inplace=True, pure=True)
def addcdiv(input: Tensor, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 / tensor2."""
    return add(input, div(tensor1, tensor2), alpha=value)
